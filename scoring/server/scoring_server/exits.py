"""How a process that runs the entry script ends where it cannot go on."""

from __future__ import annotations

import logging
import os
import threading
from typing import NoReturn

INIT_FAILED = 3  # exit status; the log says why


def give_up() -> NoReturn:
    """End this process with the status INIT_FAILED, also where Python would wait for a thread that the script left."""
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if all(thread.daemon for thread in others):
        raise SystemExit(INIT_FAILED) from None
    logging.shutdown()
    os._exit(INIT_FAILED)
