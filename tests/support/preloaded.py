"""What the process that forks servers does once for all of them, when it imports this."""

import asyncio
import gc

from app.routes.page import Page

_FIRST = Page()


async def _compress(page: Page) -> None:
    page._encoded |= _FIRST._encoded


def _prepare() -> None:
    asyncio.run(_FIRST.compress())  # half of what a server's start costs
    Page.compress = _compress  # type: ignore[method-assign]
    gc.collect()
    gc.freeze()  # a collection would touch, and so copy, all that a server shares with its siblings


_prepare()
