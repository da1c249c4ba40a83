"""A worker that does nothing but end with its parent."""

import sys
import threading

from app.serving.workers import end_with_parent


def ends_with_parent() -> None:
    end_with_parent()
    sys.stdout.write("it works")
    sys.stdout.flush()
    threading.Event().wait()
