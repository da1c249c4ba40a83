"""The page's modules that need no page, run in the Node that comes with Playwright."""

import json
import subprocess
from pathlib import Path
from typing import Any

import playwright

NODE = Path(playwright.__file__).with_name("driver") / "node"
STATIC = (Path(__file__).parents[2] / "static").as_uri()

GIVEN = """
const state = await import('/static/run/state.js');
const chunk = (n) => ({update: n, length: 10, streams: 1, stream_ids: [0], t: [Array(10).fill(n)],
  input: [Array(10).fill(0)], target: [Array(10).fill(1)], prediction: [Array(10).fill(0)], loss: 1 / n,
  mean_loss: 1, milliseconds: {}});
const opened = {type: 'opened', protocol: 1, recipe: {seed: 1, learning_rate: 0.02}, changes: [], update: 0,
  window: 5, network: {}};
"""


def folded(script: str) -> Any:
    """What `script` returns, with state.js at hand as `state`, a `chunk` by its number, and an `opened`.

    Modules are imported by the addresses that they have on the page.
    """
    whole = f"const made = await (async () => {{ {GIVEN} {script} }})(); console.log(JSON.stringify(made ?? null));"
    command = [NODE, "--no-warnings", "--input-type=module", "-"]
    text = whole.replace("'/static/", f"'{STATIC}/")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
