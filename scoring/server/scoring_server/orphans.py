"""Processes that run the script neither leave before the front ends them, nor stay when it is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import threading

from . import signals

_SIGNALS = (*(each for each in signals.STOP if each != signal.SIGINT), *signals.PASSED_OVER)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MOMENT_MS = 100  # a process that is killed keeps its files open until the last of its threads has ended


def stay_with(link: socket.socket) -> None:
    """Have this process pass over the signals to end, unless the other end of `link` is closed: then it ends at once.

    Whoever ends a service may signal all of its processes; the front makes of that what there is to be made. What the
    script forks takes the signals as ever, also one that comes at once: it is held back until that is so. Signals
    that are ignored, or that the script takes, stay so.
    """
    masks = threading.local()

    def pass_over(_number: int, _frame: object) -> None:
        poll = select.poll()
        poll.register(link, 0)  # a hang-up is told without being asked for
        if poll.poll(_MOMENT_MS):
            os._exit(128 + signal.SIGTERM)

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


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent has ended, however that came about."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
