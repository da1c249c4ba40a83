"""A wire that can be cut, in one direction or in both, with a word or without, or laid to another server."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Literal

Direction = Literal["up", "down"]
"""From the page to the server, and back."""


class _Wire:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.ends = (near, far)
        self.silent: set[Direction] = set()

    async def pump(self, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Once silent, what comes is taken and goes nowhere: to either end's kernel all is well."""
        try:
            while data := await source.read(65_536):
                if direction not in self.silent:
                    sink.write(data)
                    await sink.drain()
            if direction not in self.silent and sink.can_write_eof():
                sink.write_eof()
        except OSError:
            if not self.silent:
                self.cut()

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()


class Proxy:
    """Listens on `port` and passes everything on to `target`'s port, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._wires: list[_Wire] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listening: asyncio.Server = self._do(lambda: asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._listening.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """All connections end at once, as where a cable is torn out of a box that notices."""
        self._do(self._cut)

    def silence(self, *directions: Direction) -> None:
        """The connections there are pass nothing on any more, and nobody is told. New ones do."""
        self._do(lambda: self._silence(set(directions)))

    def close(self) -> None:
        async def stop() -> None:
            await self._cut()
            self._listening.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._do(stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Callable[[], Any]) -> Any:
        async def done() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    async def _cut(self) -> None:
        for wire in self._wires:
            wire.cut()
        self._wires.clear()

    async def _silence(self, directions: set[Direction]) -> None:
        for wire in self._wires:
            wire.silent |= directions

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        wire = _Wire(writer, far_writer)
        self._wires.append(wire)
        try:
            await asyncio.gather(wire.pump("up", reader, far_writer), wire.pump("down", far_reader, writer))
        finally:
            wire.cut()
            if wire in self._wires:
                self._wires.remove(wire)
