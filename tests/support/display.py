"""A page that costs little: it draws few frames, has no charts, and does not wait for long."""

from playwright.sync_api import Page

FEW = """
if (!window.drawsFew) {
  window.drawsFew = true;
  const [frame, rests] = [window.requestAnimationFrame.bind(window), window.setTimeout.bind(window)];
  window.requestAnimationFrame = (draw) => rests(() => frame(draw), 80);
}
"""
"""Frames are half of what a running page costs. Updates are drawn several at once; each is still seen and kept."""
SOON = """
const waits = window.setTimeout;
window.setTimeout = (call, milliseconds, ...more) => waits(call, milliseconds === 1000 ? 50 : milliseconds, ...more);
"""


def few_frames(page: Page) -> None:
    """In the pages beside this one too; a Visit's own draws few by itself."""
    page.context.add_init_script(FEW)


def without_charts(page: Page) -> None:
    """Plotly's file comes empty in the pages beside this one too."""
    page.context.route("**/assets/plotly*", lambda route: route.fulfill(body="", content_type="text/javascript"))


def soon(page: Page) -> None:
    """The seconds that it counts until it tries to connect again are short ones."""
    page.add_init_script(SOON)


def cheap(page: Page) -> None:
    """Few frames and no charts, in the pages beside it too."""
    few_frames(page)
    without_charts(page)
