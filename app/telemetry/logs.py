"""Log lines: for people or as JSON, one record a line, each with the connection that it is about."""

import json
import logging
import re
import secrets
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from app.settings import Settings

_connection: ContextVar[str] = ContextVar("connection", default="")

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def name_connection() -> str:
    """Names the connection that this task serves, from now on and in all tasks that it starts: 8 hex digits."""
    name = secrets.token_hex(4)
    _connection.set(name)
    return name


def log_to_stderr(settings: Settings) -> None:
    """From now on the service and its libraries log to standard error, from the settings' level on, in their format."""
    handler = logging.StreamHandler()
    handler.addFilter(_add_connection)
    if settings.log_format == "json":
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLogger().level))


def _add_connection(record: logging.LogRecord) -> bool:
    record.connection = _connection.get()
    vars(record).pop("color_message", None)  # uvicorn's, the same text for its own terminal
    return True


class _Lines(logging.Formatter):
    """Lines for people: the text, then what was handed along as name=value. A traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        more = {name: value for name, value in vars(record).items() if name not in _USUAL and value != ""}
        line = " ".join(
            [super().formatMessage(record), *(f"{name}={_as_value(value)}" for name, value in more.items())]
        )
        # nothing that came from outside may look like a line of its own, or speak to a terminal
        return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], line)


class _JsonLines(OrjsonFormatter):
    """Lines for machines: a JSON object each."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s %(process)d",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )

    def format(self, record: logging.LogRecord) -> str:
        # JSON itself asks for less: some readers take more characters for the end of a line
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", super().format(record))

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in log_data.items() if value != ""}


def _as_value(value: object) -> str:
    """A value as text, in quotes where it could be taken for more than one."""
    text = str(value)
    return text if re.fullmatch(r"[\w.:+/-]+", text, re.ASCII) else json.dumps(text)
