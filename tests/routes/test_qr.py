"""POST /qr: the SVG holds the code that its library makes of the text, and nothing that is no text comes through."""

import re
from xml.etree import ElementTree

import httpx
import pytest
import segno

from app.routes.qr import QUIET_ZONE

LINK = "http://127.0.0.1:8000/#seed=3&cell=gru&change=31:learning_rate=0.005,carry_state=false&lang=zh&hide=network"
TEXTS = ["a", LINK, "学习率=0.005", "x" * 2000]


def modules(svg: bytes) -> list[list[int]]:
    """The dark modules that an SVG's strokes cover: each `h` is a row's run of them."""
    root = ElementTree.fromstring(svg)
    size = int(root.attrib["viewBox"].split()[2])
    field = [[0] * size for _ in range(size)]
    ground, code = root.findall("{*}path")
    assert ground.attrib["fill"] == "#fff"
    assert ground.attrib["d"] == f"M0 0h{size}v{size}h-{size}z", "light to the edge, whatever the page's theme"
    assert code.attrib["stroke"] == "#000"
    x, y = 0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", code.attrib["d"]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            for column in range(x, x + int(values[0])):
                field[int(y)][column] = 1
            x += int(values[0])
        else:
            x, y = (int(values[0]), values[1]) if command == "M" else (x + int(values[0]), y + values[1])
    return field


@pytest.mark.parametrize("text", TEXTS, ids=[f"{text[:12]}…{len(text)}" for text in TEXTS])
def test_the_svg_is_the_librarys_own_matrix_within_its_quiet_zone(server_url: str, text: str) -> None:
    answer = httpx.post(server_url + "/qr", json={"text": text})
    assert answer.headers["content-type"] == "image/svg+xml"
    code = segno.make_qr(text, error="l")
    assert modules(answer.content) == [list(row) for row in code.matrix_iter(border=QUIET_ZONE)]


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        (b"", 400, "broken_json", "EOF"),
        (b"{}", 422, "missing", "text: Field required"),
        (b'{"text": ""}', 422, "out_of_range", "at least 1 character"),
        (b'{"text": 3}', 422, "wrong_type", "valid string, not 3"),
        (b'{"text": "a", "size": 3}', 422, "unknown_field", "size: Extra inputs"),
        (b'{"text": "' + b"x" * 2001 + b'"}', 422, "out_of_range", "at most 2000 characters"),
        ('{"text": "' + "习" * 1000 + '"}', 422, "out_of_range", "3000 bytes are more than a QR code can hold"),
    ],
)
def test_what_is_no_text_for_a_code_is_refused(
    server_url: str, body: bytes | str, status: int, code: str, detail: str
) -> None:
    answer = httpx.post(server_url + "/qr", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert detail in answer.json()["detail"]
