"""The memory of a soak as a picture: an SVG that reads in light and dark."""

from collections.abc import Sequence
from math import ceil, floor, log10

from tests.soak.readings import Reading

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 48

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff } .grid { stroke: #d1d9e0 } .curve { stroke: #0969da; stroke-width: 2; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .curve { stroke: #58a6ff }
}
"""


def svg(readings: Sequence[Reading]) -> str:
    """Megabytes over minutes, from zero, so that little growth looks little."""
    minutes, megabytes = [one.seconds / 60 for one in readings], [one.resident for one in readings]
    most_minutes, most_megabytes = ceil(10 * max(minutes)) / 10, 1.05 * max(megabytes)
    along, up = ticks(most_minutes), ticks(most_megabytes)

    def x(minute: float) -> float:
        return round(LEFT + minute / most_minutes * (WIDTH - LEFT - RIGHT), 1)

    def y(megabyte: float) -> float:
        return round(HEIGHT - BOTTOM - megabyte / most_megabytes * (HEIGHT - TOP - BOTTOM), 1)

    foot, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    points = " ".join(f"{x(minute)},{y(megabyte)}" for minute, megabyte in zip(minutes, megabytes, strict=True))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            ' role="img" aria-label="Memory of the server over the minutes of a soak">',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text x="{LEFT}" y="22">memory of the server and its training process, MB</text>',
            *(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(at)}" y2="{y(at)}"/>' for at in up),
            *(f'<text x="{LEFT - 8}" y="{y(at) + 4}" text-anchor="end">{at:g}</text>' for at in up),
            *(f'<line class="grid" x1="{x(at)}" x2="{x(at)}" y1="{foot}" y2="{foot + 5}"/>' for at in along),
            *(f'<text x="{x(at)}" y="{foot + 20}" text-anchor="middle">{at:g}</text>' for at in along),
            f'<text x="{(LEFT + right) / 2:g}" y="{HEIGHT - 8}" text-anchor="middle">minutes</text>',
            f'<polyline class="curve" points="{points}"/>',
            "</svg>\n",
        ]
    )


def ticks(most: float) -> list[float]:
    """Round numbers from zero to `most`, seven of them at most."""
    power = 10 ** floor(log10(most))
    step = next(part * power for part in (0.2, 0.5, 1.0, 2.0) if most / (part * power) <= 6)
    return [round(step * number, 6) for number in range(floor(most / step) + 1)]
