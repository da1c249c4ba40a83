"""Runs saved to files and dropped on the page."""

import base64
from pathlib import Path

from playwright.sync_api import expect

from tests.support.visits import Visit

DRAG = """([name, data, types]) => {
  const bytes = Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const about = {bubbles: true, cancelable: true, dataTransfer: transfer};
  for (const type of types) document.querySelector("#wave").dispatchEvent(new DragEvent(type, about));
}"""


def drags(page: Visit, name: str, data: bytes, *types: str) -> None:
    """A file over the wave, as the browser tells the page of it."""
    page.page.evaluate(DRAG, [name, base64.b64encode(data).decode(), types or ("dragover", "drop")])


def saves(page: Visit, button: str = "keep-save") -> tuple[str, bytes]:
    """Press a button that saves; the file's name and content."""
    with page.page.expect_download() as download:
        page.at(button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def comes_near(page: Visit) -> None:
    page.page.locator("#keep").scroll_into_view_if_needed()
    expect(page.at("keep-seen")).not_to_be_empty()
