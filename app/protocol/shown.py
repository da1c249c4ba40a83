"""How a value from outside is repeated to whoever sent it."""

from collections.abc import Mapping

SHOWN = 80  # characters of a value that are repeated to whoever sent it


def shown(value: object) -> str:
    """A value from outside in at most about 100 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value[:SHOWN]) + ("…" if len(value) > SHOWN else "")
    if isinstance(value, int) and abs(value) >= 10**SHOWN:
        return f"a whole number of {value.bit_length()} bits"  # printing it takes long, or raises
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"
