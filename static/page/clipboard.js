/** @param {HTMLElement & {value?: string, select?: () => void}} element its text, or what is typed in it, goes to the clipboard */
export async function copyText(element) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(element.value ?? element.textContent);
    return;
  }
  if (element.select) element.select(); // no clipboard without https: the older way
  else getSelection()?.selectAllChildren(element);
  document.execCommand("copy");
}
