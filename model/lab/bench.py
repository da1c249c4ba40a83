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

LONGEST_LINE = 2**16
LAST_WORDS = 800  # characters of what a process that failed wrote


async def run(name: KindName, plan: Plan, seconds: float) -> AsyncGenerator[dict[str, Any] | Row, None]:
    """The row's events as they happen, and the Row at the end. Closing the generator ends the process at once.

    Args:
        seconds: how long the row may take; then it counts as failed.
    """
    notebook = Notebook(name, plan)
    if not kind(name).installed:
        yield notebook.row("absent")
        return
    # a compiler's cache of its own: what an earlier run compiled must not be found again
    with tempfile.TemporaryFile() as words, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "model.lab", name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=words,
            env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache},
            limit=LONGEST_LINE,
            start_new_session=True,  # a compiler has workers, and they must end too
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(plan.model_dump_json().encode())
            process.stdin.close()
            yield {"event": "began"}
            async with asyncio.timeout(seconds) as limit:
                async for line in process.stdout:
                    event = json.loads(line)
                    notebook.take(event)
                    if event["event"] == "ended":
                        break
                    yield event
                else:
                    await process.wait()
                    notebook.fail(f"ended with code {process.returncode}: {_tail(words)}")
                    yield notebook.row("failed")
                    return
            yield notebook.row("done")
        except TimeoutError:
            assert limit.expired()
            notebook.fail(f"took longer than {seconds:g} s")
            yield notebook.row("failed")
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _tail(words: Any) -> str:
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - LAST_WORDS))
    text: str = words.read().decode(errors="replace")
    return text.strip()
