"""Seconds from navigation to the first drawn prediction, against a page that only loads Plotly and draws one chart."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from bench.results import interleaved, record, spread
from bench.serving import serving

ROUNDS = 5
MOST = 0.3  # seconds more than the bare page
CHUNKS = 60
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A line counts as drawn when it has a path of several points and a frame has been presented since.
DRAWN = """
window.drawn = new Promise((resolve) => {
  const look = () => {
    const lines = [...document.querySelectorAll('.scatterlayer path.js-line')];
    const shown = lines.some((line) => (line.getAttribute('d') || '').length > 20
      && getComputedStyle(line).stroke === COLOUR);
    requestAnimationFrame(() => (shown ? resolve(performance.now()) : look()));
  };
  look();
});
"""
# Every frame, the phase at which each drawn prediction begins: one chunk, one line of its own.
COLLECT = """
window.begun = new Set();
window.enough = new Promise((resolve) => {
  const look = () => {
    for (const trace of document.getElementById('wave')?.data ?? []) {
      if (!trace.uid?.endsWith('prediction') || trace.uid.startsWith('others')) continue;
      trace.x.forEach((x, i) => { if (i === 0 || trace.y[i - 1] === null) window.begun.add(x); });
    }
    window.begun.delete(undefined);
    const update = Number(document.body?.dataset.update ?? 0);
    if (update >= CHUNKS) requestAnimationFrame(() => resolve([window.begun.size, update]));
    else requestAnimationFrame(look);
  };
  look();
});
"""
OUR_BLUE = "rgb(27, 102, 168)"


def seconds(browser: Browser, url: str) -> float:
    """From the beginning of the navigation, by the page's own clock. Each time with an empty cache."""
    with page_of(browser) as page:
        page.add_init_script(DRAWN.replace("COLOUR", repr(OUR_BLUE)))
        page.goto(url, wait_until="commit")
        return float(page.evaluate("window.drawn")) / 1000


def drawn(browser: Browser, url: str) -> tuple[int, int]:
    """How many chunks have been drawn by the time the page shows update CHUNKS, and that update."""
    with page_of(browser) as page:
        page.add_init_script(COLLECT.replace("CHUNKS", str(CHUNKS)))
        page.goto(url, wait_until="commit")
        chunks, update = page.evaluate("window.enough")
        return int(chunks), int(update)


@contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    try:
        yield context.new_page()
    finally:
        context.close()


def measure() -> bool:
    with sync_playwright() as playwright, serving([sys.executable, "-m", "bench.bare"]) as url:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        seconds(browser, url), seconds(browser, f"{url}/bare")
        ours, bare = interleaved(ROUNDS, lambda: seconds(browser, url), lambda: seconds(browser, f"{url}/bare"))
        chunks, update = drawn(browser, url)
        browser.close()
    more = [our - other for our, other in zip(ours, bare, strict=True)]
    middle = sorted(more)[len(more) // 2]
    figures = {
        "our page, s": spread(ours, 2),
        "Plotly and one chart, s": spread(bare, 2),
        "difference, s": spread(more, 2),
        "chunks drawn": f"{chunks} of {update}",
    }
    promise = f"within {MOST} s of the bare page, and every chunk drawn"
    return record("first_prediction", figures, promise, middle <= MOST and chunks >= update)
