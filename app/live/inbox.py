"""Inbox: what a viewer sent and nobody has read yet, bounded in messages and in bytes."""

from asyncio import Queue

from app.protocol.refusal import Refused
from app.protocol.train import FromViewer, Open

MESSAGES = 64
"""How many messages may wait while the run is busy; a viewer that sends more waits too."""

BYTES = 262_144
"""Bytes that wait; beyond them no message is read. The largest run's checkpoint alone has more: one always fits."""

CHANGE_BYTES = 1_000
"""Bytes of memory to count for an entry of a change log; one of a single field takes half of it."""


class Inbox(Queue[FromViewer | bytes | Refused]):
    """A queue that is also full when what waits is large."""

    def __init__(self) -> None:
        super().__init__(MESSAGES)
        self.bytes = 0

    def full(self) -> bool:
        return self.bytes >= BYTES or super().full()

    def _put(self, item: FromViewer | bytes | Refused) -> None:
        self.bytes += _bytes_of(item)
        super()._put(item)

    def _get(self) -> FromViewer | bytes | Refused:
        item = super()._get()
        self.bytes -= _bytes_of(item)
        return item


def _bytes_of(item: FromViewer | bytes | Refused) -> int:
    if isinstance(item, bytes):
        return len(item)
    return CHANGE_BYTES * len(item.changes) if isinstance(item, Open) else 0
