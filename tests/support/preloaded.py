"""What the process that forks servers does once for all of them, when it imports this."""

import asyncio
import gc
import tempfile
from pathlib import Path

from app.main import create_app
from app.routes.page import Page
from app.settings import Settings

_FIRST = Page()


async def _compress(page: Page) -> None:
    page._encoded |= _FIRST._encoded


def _prepare() -> None:
    asyncio.run(_FIRST.compress())
    Page.compress = _compress  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        create_app(Settings(models_dir=Path(folder)))  # much is imported and looked up when the first is made
    gc.collect()
    gc.freeze()  # a collection would touch, and so copy, all that a server shares with its siblings


_prepare()
