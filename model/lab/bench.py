"""Bench: runs one row in a process of its own and passes its events on."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from model.lab.kinds import KindName, kind
from model.lab.plan import Plan
from model.lab.row import Notebook, Row
from model.lab.words import last_words, readable

LONGEST_LINE = 2**18  # bytes; eight notes of 2,000 characters fit, each escaped


async def run(name: KindName, plan: Plan, seconds: float) -> AsyncGenerator[dict[str, Any] | Row, None]:
    """The row's events as they happen, and the Row at the end. Closing the generator ends the process at once.

    Whatever becomes of the process, the last thing is a Row.

    Args:
        seconds: how long the row may take; then it counts as failed.
    """
    notebook = Notebook(name)
    if not kind(name).installed:
        yield notebook.row("absent")
        return
    # a compiler's cache of its own: what an earlier run compiled must not be found again
    with tempfile.TemporaryFile() as words, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: a model.py in the folder that one happens to stand in is not ours
                *(sys.executable, "-P", "-m", "model.lab", name),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=words,
                env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache},
                limit=LONGEST_LINE,
                start_new_session=True,  # a compiler has workers, and they must end too
            )
        except OSError as error:
            notebook.fail(readable(f"its process did not start: {error}"))
            yield notebook.row("failed")
            return
        assert process.stdin is not None
        assert process.stdout is not None
        until = asyncio.get_running_loop().time() + seconds
        try:
            process.stdin.write(plan.model_dump_json().encode())
            process.stdin.close()
            yield {"event": "began"}
            while event := await _next(process.stdout, until):
                notebook.take(event)
                if event["event"] == "ended":
                    break
                yield event
            else:
                async with asyncio.timeout_at(until):
                    code = await process.wait()
                notebook.fail(f"ended with code {code}: {last_words(words)}".removesuffix(": "))
            ended = notebook.row("done" if event else "failed")
        except TimeoutError:
            notebook.fail(f"took longer than {seconds:g} s")
            ended = notebook.row("failed")
        finally:
            await _end(process)
        yield ended


async def _next(output: asyncio.StreamReader, until: float) -> dict[str, Any] | None:
    """The next event; None where no whole one comes any more. Raises TimeoutError.

    The limit holds here and never while an event is out: there it would interrupt whoever looks at it.
    """
    if asyncio.get_running_loop().time() >= until:  # a line that has come already would be read without waiting
        raise TimeoutError
    async with asyncio.timeout_at(until):
        line = await output.readline()
    if not line.endswith(b"\n"):  # who is killed may leave half an event
        return None
    event: dict[str, Any] = json.loads(line)
    return event


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
