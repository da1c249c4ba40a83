"""Frames of the page with every panel open at 20 updates a second, against the same page with the wave alone."""

import sys
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.first_prediction import CHROMIUM, FLAGS
from bench.results import record, spread
from bench.serving import serving

ROUNDS = 2
ROUND_SECONDS = 60
LONG_SECONDS = 600
MOST = 50.0  # milliseconds between two frames, at the 99th percentile
HIDDEN = "state,gradient,loss,circle,microscope,odometer,network,happening,predict,pad,graphs"

# The page's own clock, from one frame to the next; what takes long is seen as a frame that comes late.
WATCH = """
window.between = [];
let last = 0;
const tick = (now) => {
  if (last) window.between.push(now - last);
  last = now;
  requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
"""


@dataclass
class Watched:
    """What a page did in some seconds: milliseconds between frames, updates drawn, bytes received."""

    between: list[float]
    updates: int
    received: int
    seconds: float

    def percentile(self, part: float) -> float:
        ordered = sorted(self.between)
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 1)


class Visitor:
    """A page on a tall screen, so that all of its panels that draw are in sight."""

    def __init__(self, browser: Browser, url: str) -> None:
        context = browser.new_context(viewport={"width": 1440, "height": 1600}, color_scheme="light")
        self.page: Page = context.new_page()
        self.received = 0
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        self.page.add_init_script(WATCH)
        self.page.goto(url)
        self.cdp: CDPSession = context.new_cdp_session(self.page)
        self.watch(10)  # what is loaded once

    def _count(self, frame: str | bytes) -> None:
        if isinstance(frame, str):  # checkpoints are bytes
            self.received += len(frame)

    def update(self) -> int:
        return int(self.page.locator("body").get_attribute("data-update") or 0)

    def watch(self, seconds: float) -> Watched:
        first, received = self.update(), self.received
        self.page.evaluate("between.length = 0")
        self.page.wait_for_timeout(1000 * seconds)
        between = self.page.evaluate("between")
        return Watched(between, self.update() - first, self.received - received, seconds)

    def heap(self) -> float:
        """Megabytes of JavaScript that are reachable."""
        self.cdp.send("HeapProfiler.collectGarbage")
        return float(self.page.evaluate("performance.memory.usedJSHeapSize")) / 1e6

    def elements(self) -> int:
        return int(self.page.evaluate("document.querySelectorAll('*').length"))

    def close(self) -> None:
        self.page.context.close()


def measure() -> bool:
    with sync_playwright() as playwright, serving() as url:
        flags = [*FLAGS, "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        alone: list[Watched] = []
        full: list[Watched] = []
        for _ in range(ROUNDS):
            for address, kept in ((f"{url}/#hide={HIDDEN}", alone), (f"{url}/", full)):
                visitor = Visitor(browser, address)
                kept.append(visitor.watch(ROUND_SECONDS))
                visitor.close()
        visitor = Visitor(browser, f"{url}/")
        visitor.watch(ROUND_SECONDS)
        heaps, elements = [visitor.heap()], [visitor.elements()]
        long = visitor.watch(LONG_SECONDS)
        heaps.append(visitor.heap())
        elements.append(visitor.elements())
        browser.close()
    figures: dict[str, Any] = {
        "wave alone, ms between frames, median": spread([one.percentile(0.5) for one in alone]),
        "wave alone, ms between frames, p99": spread([one.percentile(0.99) for one in alone]),
        "all panels, ms between frames, median": spread([one.percentile(0.5) for one in full]),
        "all panels, ms between frames, p99": spread([one.percentile(0.99) for one in full]),
        "all panels, ten minutes, p99": long.percentile(0.99),
        "all panels, ten minutes, longest": long.percentile(1),
        "updates a second drawn in those": round(long.updates / long.seconds, 1),
        "kilobytes a second, all that is in sight": round(long.received / long.seconds / 1000, 1),
        "kilobytes a second, wave alone": spread([one.received / one.seconds / 1000 for one in alone]),
        "heap before and after, MB": " ".join(f"{heap:.1f}" for heap in heaps),
        "elements before and after": " ".join(map(str, elements)),
    }
    # Frames come in steps of a sixtieth of a second, and their clock is a tenth of a millisecond off.
    holds = round(long.percentile(0.99)) <= MOST and heaps[1] < 1.2 * heaps[0]
    return record("frames", figures, f"p99 at most {MOST:g} ms, heap flat", holds)


if __name__ == "__main__":
    sys.exit(0 if measure() else 1)
