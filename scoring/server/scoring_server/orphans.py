"""Processes that run the script neither leave before the front ends them, nor stay when it is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import threading
from _thread import start_new_thread

from . import signals

_SIGNALS = (*(each for each in signals.STOP if each != signal.SIGINT), *signals.PASSED_OVER)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def stay_with(link: socket.socket, parent: int) -> None:
    """Have this process pass over the signals to end. If `parent` is no longer its parent, it ends with `link` from
    then on: as soon as the other end is closed, even while the script is at work; but a signal during a call into C is
    seen after it. It ends now where the other end is closed already.

    Whoever ends a service may signal all of its processes; the front makes of that what there is to be made. What the
    script forks takes the signals as ever, also one that comes at once: it is held back until that is so. Signals
    that are ignored, or that the script takes, stay so.
    """
    masks = threading.local()
    watched = False

    def pass_over(_number: int, _frame: object) -> None:
        nonlocal watched
        if watched or os.getppid() == parent or link.fileno() < 0:
            return
        watched = True
        try:
            # The link may be closed only in a while: a killed process has its files until its last thread has ended.
            # No `threading.Thread`, as this may have interrupted what holds a lock of that module.
            start_new_thread(_end_with, (link.fileno(),))
        except RuntimeError:  # no room for a thread; another signal tries again
            watched = False

    def hold() -> None:
        masks.former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.former)

    def forget() -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) is pass_over:
                with contextlib.suppress(ValueError):
                    signal.signal(number, signal.SIG_DFL)
        let_go()

    for number in _SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, pass_over)
    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=forget)
    if _has_hung_up(link.fileno(), 0):
        os._exit(128 + signal.SIGTERM)


def _end_with(number: int) -> None:
    _has_hung_up(number, None)
    os._exit(128 + signal.SIGTERM)


def _has_hung_up(number: int, patience_ms: int | None) -> bool:
    """Whether the other end of a socket is closed, or will be in that time; None waits for it."""
    poll = select.poll()
    poll.register(number, 0)  # a hang-up is told without being asked for
    return bool(poll.poll(patience_ms))


def end_with_parent(number: signal.Signals, parent: int) -> None:
    """Have the kernel send this process a signal when `parent` has ended, however that came about; also if it has."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        signal.raise_signal(number)
