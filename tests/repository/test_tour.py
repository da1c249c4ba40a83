"""docs/tour-of-the-code.md links to the lines at which it says that something stands."""

import re
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "docs" / "tour-of-the-code.md"
LINKS = re.findall(r'\[([^\]]+)\]\(([^)#\s]+)#L(\d+)(?: "([^"]+)")?\)', TOUR.read_text("utf-8"))


def lines_of(path: Path, name: str) -> list[int]:
    """The lines at which a function, method or class of this name begins; of `Class.method` those within the class."""
    lines = path.read_text("utf-8").splitlines()
    *classes, last = name.split(".")
    word = re.escape(last)
    if path.suffix == ".py":
        begins = re.compile(rf"\s*(async def|def|class) {word}\b")
    else:
        begins = re.compile(rf"(export )?(async )?(function|class) {word}\b|  (async )?{word}\(.*\) \{{$")
    first, end = 1, len(lines)
    if classes:
        (first,) = lines_of(path, classes[0])
        end = next((at for at in range(first + 1, end + 1) if re.match(r"\S", lines[at - 1])), end)
    return [at for at in range(first, end + 1) if begins.match(lines[at - 1])]


def test_the_tour_has_links_to_lines_and_no_other_links_to_code() -> None:
    assert len(LINKS) > 40
    code = re.findall(r"\]\([^)\s]+\.(?:py|js)\b", TOUR.read_text("utf-8"))
    assert len(code) == len(LINKS)


@pytest.mark.parametrize(
    ("words", "path", "line", "title"), LINKS, ids=[title or words for words, _, _, title in LINKS]
)
def test_a_link_of_the_tour_goes_to_where_what_it_names_begins(words: str, path: str, line: str, title: str) -> None:
    code = re.fullmatch(r"`([\w.#]+)`", words)
    name = title or (code[1] if code else "")
    assert name, "neither text nor title names what stands there"
    assert int(line) in lines_of(TOUR.parent / path, name), f"{name} begins at {lines_of(TOUR.parent / path, name)}"
