"""The tour's stations."""

STATIONS = ["picture", "lengths", "state", "gradient", "floors", "microscope", "odometer", "diverge"]


CUT = """() => {
  const pointed = document.querySelector('[data-pointed]');
  const at = pointed.getBoundingClientRect();
  const { outlineOffset, outlineWidth } = getComputedStyle(pointed);
  const [inner, outer] = [parseFloat(outlineOffset), parseFloat(outlineOffset) + parseFloat(outlineWidth)];
  const within = (box, far) => box.left >= at.left - far && box.right <= at.right + far &&
    box.top >= at.top - far && box.bottom <= at.bottom + far;
  const beside = (box, far) => box.right <= at.left - far || box.left >= at.right + far ||
    box.bottom <= at.top - far || box.top >= at.bottom + far;
  const cut = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility()) continue;
    if (parent.closest('.tour, #transport, script, option, .notice')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width <= 1 || within(box, inner) || beside(box, outer + 2)) continue;
      cut.push(node.data.trim());
    }
  }
  return cut;
}"""


"""The texts that the frame around what a station points at runs through, or touches."""
