"""A framework's own words, fit to be shown: bounded, and without paths of the machine that they were said on."""

import os
import re
import site
from typing import BinaryIO

MOST_TEXT = 2000
LAST_WORDS = 800  # characters of what a process that failed wrote

# Within quotation marks a folder may have spaces. Elsewhere, what follows a letter, a colon or a slash is part of an
# address or of a path that is relative already.
_FOLDERS = re.compile(r"""(?<=["'])/(?:[^"'/\n]+/)+|(?<![\w:/.])/(?:[\w.+@~-]+/)+""")


def readable(said: BaseException | str) -> str:
    """The real text; of a file's path what follows its package's folder, or its name."""
    text = said if isinstance(said, str) else f"{type(said).__name__}: {said}"
    for folder in (*site.getsitepackages(), os.path.dirname(os.__file__), os.getcwd()):
        text = text.replace(folder.rstrip(os.sep) + os.sep, "")
    return _FOLDERS.sub("", text)[:MOST_TEXT]


def last_words(written: BinaryIO) -> str:
    """The end of what a process wrote to this file."""
    size = written.seek(0, os.SEEK_END)
    written.seek(max(0, size - 4 * LAST_WORDS))
    return readable(written.read().decode(errors="replace").strip()[-LAST_WORDS:])
