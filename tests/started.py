"""A program that a test has started: waiting until it answers, and what it said when it does not."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LINES = 10


def await_answer(
    ask: Callable[[], object], process: "subprocess.Popen[bytes]", log: Path, what: str, seconds: float
) -> None:
    """Return when `ask` raises no `OSError`; raise `RuntimeError` with the log when the process ended or takes long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            ask()
            return
        except OSError:
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError(said(f"the {what} does not answer", log))


def said(what: str, log: Path) -> str:
    """Return `what` and the last lines of a log."""
    return "\n".join([f"{what}:", *log.read_text().splitlines()[-LINES:]])
