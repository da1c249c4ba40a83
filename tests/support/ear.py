"""What the sockets that the page opens from now on hear, each by itself: a twin's are among a visit's others."""

import json
from typing import Any

from tests.support.visits import Visit


class Ear:
    """What each of the page's sockets hears from now on."""

    def __init__(self, page: Visit) -> None:
        self.heard: list[list[dict[str, Any]]] = []
        page.page.on("websocket", self._listen)

    def _listen(self, wire: Any) -> None:
        mine: list[dict[str, Any]] = []
        self.heard.append(mine)
        wire.on("framereceived", lambda frame: isinstance(frame, str) and mine.append(json.loads(frame)))

    def changes(self, wire: int = -1) -> list[dict[str, Any]]:
        return [message for message in self.heard[wire] if message["type"] == "changed"]

    def updates(self, wire: int = -1) -> list[dict[str, Any]]:
        """Of the newest run; none before there is a socket."""
        updates: list[dict[str, Any]] = []
        for message in self.heard[wire] if self.heard else []:
            if message["type"] == "opened":
                updates.clear()
            updates += message.get("updates", [])
        return updates

    def losses(self, wire: int = -1) -> dict[int, float]:
        """By update, of the newest run."""
        return {update["update"]: update["loss"] for update in self.updates(wire)}
