const NARROW = "(max-width: 860px)";

/** The recipe is folded up where it would stand above the wave; beside it there is nothing to make room for. @param {HTMLElement} recipe */
export function foldsWhenNarrow(recipe) {
  const narrow = matchMedia(NARROW);
  const fold = () => recipe.toggleAttribute("open", !narrow.matches);
  fold();
  narrow.addEventListener("change", fold);
  recipe.querySelector("summary").addEventListener("click", (event) => {
    if (!narrow.matches) event.preventDefault();
  });
}
