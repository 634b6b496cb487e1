"""The signals to stop, also when they come before the event loop can take them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_MAY_STAY = (signal.SIGHUP, signal.SIGQUIT)  # ignored where they are, as nohup has it
PASSED_OVER = (signal.SIGUSR1, signal.SIGUSR2)  # what tools send to have logs opened again, and would end a process

_stop: list[signal.Signals] = []
_early: list[int] = []


def note_early() -> None:
    """Remember signals from now on: the workers are about to start, and must not be left behind."""
    _stop[:] = [number for number in STOP if number not in _MAY_STAY or signal.getsignal(number) != signal.SIG_IGN]
    for number in _stop:
        signal.signal(number, lambda number, _frame: _early.append(number))
    for number in PASSED_OVER:
        signal.signal(number, lambda _number, _frame: None)


def forget() -> None:
    """Undo note_early() in a process that is another's copy, and does not stop as that does."""
    _early.clear()
    for number in (*_stop, *PASSED_OVER):
        signal.signal(number, signal.SIG_DFL)


def stop_event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that is set by each signal to stop, those before this call included."""
    import asyncio  # late, so that the first worker starts before it is loaded

    stop = asyncio.Event()
    for number in _stop:
        loop.add_signal_handler(number, stop.set)
    if _early:
        stop.set()
    return stop
