"""One page for many tests: its run and settings as on a first visit, without another load."""

from typing import Any

from tests.support.visits import Visit


def begins_anew(page: Visit, plain: dict[str, Any]) -> None:
    """The run and all settings of a first visit, without another load: a link in the same tab does that.

    An address that is what it was is no news to a page, and for half a second the link of before may stand there
    still. Of a twin of before there may be news until its socket has closed.
    """
    for _ in range(2):
        page.page.keyboard.press("Escape")
    page.page.mouse.move(0, 0)
    before = len(page.received)
    page.page.evaluate(
        "() => { scrollTo(0, 0); location.hash = location.hash === '#seed=1' ? '#seed=1&pace=20' : '#seed=1'; }"
    )

    def begun() -> list[int]:
        return [i for i, message in enumerate(page.received) if i >= before and message.get("recipe") == plain]

    page.until(lambda: begun() != [], "the run begins anew")
    page.until(lambda: page.page.evaluate("wires.filter((wire) => wire.readyState < 3).length") == 1, "it is alone")
    del page.received[: begun()[-1]]
    page.sent.clear()
    page.until(lambda: 0 < page.update <= newest(page), "its first updates are drawn")


def newest(page: Visit, opened: int = -1) -> int:
    """The newest update that came since one of the runs was opened."""
    since = next(i for i, message in enumerate(page.received) if message is page.opened()[opened])
    return max((update["update"] for update in page.updates(since)), default=0)
