"""What the lanes show."""

import math
from typing import Any

from tests.support.visits import Visit


def colours(page: Visit, lane: str, phases: list[float]) -> list[list[int]]:
    """The pixels of a lane at these phases, in the middle of its first unit or at its foot."""
    script = """([lane, phases]) => {
      const canvas = document.querySelector(`#lane-${lane} canvas`);
      const {range} = document.getElementById('wave').layout.xaxis;
      const copy = document.createElement('canvas');
      [copy.width, copy.height] = [canvas.width, canvas.height];
      const pen = copy.getContext('2d', {willReadFrequently: true});
      pen.drawImage(canvas, 0, 0);
      const ratio = devicePixelRatio;
      const plot = canvas.clientWidth - 36 - 16;
      return phases.map((phase) => {
        const x = (36 + (phase - range[0]) / (range[1] - range[0]) * plot) * ratio;
        return [...pen.getImageData(Math.floor(x), lane === 'state' ? 1 : canvas.height - 2, 1, 1).data];
      });
    }"""
    return page.page.evaluate(script, [lane, phases])


def middle(update: dict[str, Any], step: int) -> float:
    """The phase in π of the middle of a time step's cell."""
    first, last = update["t"][0][0] / math.pi, update["t"][0][-1] / math.pi
    return first + (last - first) * (step + 0.5) / update["length"]
