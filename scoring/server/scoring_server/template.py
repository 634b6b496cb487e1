"""The template: runs init() once and forks workers, which so share the loaded model's memory.

Where init() leaves what a fork does not copy, it ends with the status `forking.CANNOT_FORK`, and forks none.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from typing import NoReturn

from . import forking, logs, memory, orphans, warmup
from .progress import Progress
from .settings import Settings
from .worker import Worker, describe, prepare, start_process

logger = logging.getLogger(logs.LOGGER)


def main() -> None:
    """``python -m scoring_server.template <control fd> [<gate fd>]``: each packet with the fds of a link and of a
    progress is a worker.
    """
    control_fd, *gate = map(int, sys.argv[1:])
    with socket.socket(fileno=control_fd) as control:
        for fd in (control_fd, *gate):
            os.set_inheritable(fd, False)
        settings = Settings.from_environ()
        front = os.getppid()
        orphans.end_with_parent(signal.SIGKILL, front)
        orphans.stay_with(control, front)
        start_process(settings)
        script = prepare(settings, gate)
        documents = describe(settings, script)
        if found := forking.obstacles():
            _give_up(found, settings.worker_count)
        # Ended workers need no waiting for. Set after init(), which may wait for processes of its own.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        template = os.getpid()
        while True:
            packet, fds, _, _ = socket.recv_fds(control, 16, 2)
            if not packet:
                return
            try:
                if os.fork() == 0:
                    break
            except OSError as error:  # the link's end tells the front, which tries again
                logger.error("A worker cannot be forked: %s", error)
            for fd in fds:
                os.close(fd)
    memory.go_first()
    os.setpgid(0, 0)  # a group of its own, to be ended with all that run() may start
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _disown_children()
    with socket.socket(fileno=fds[0]) as link:
        # The template may end for reasons of its own: the signal is one to look whether the front is there.
        orphans.stay_with(link, template)
        orphans.end_with_parent(signal.SIGTERM, template)
        worker = Worker(link, Progress(fds[1]), script, settings)
        # Not before the fork: threads that a library starts at its first use would be missing in the workers.
        warmup.warm_up(settings, script, worker.rehearse)
        worker.serve(documents)


def _disown_children() -> None:
    """Have multiprocessing, as after its own forks, not wait at the end for what init() has started."""
    children: set[object] = getattr(sys.modules.get("multiprocessing.process"), "_children", set())
    children.clear()


def _give_up(found: list[str], workers: int) -> NoReturn:
    logger.warning(
        "init() has left what processes cannot be forked with: %s. So each of the %d workers runs init() by itself, "
        "and they share no memory. WORKER_PRELOAD=false spares the attempt. They do share where init() starts none.",
        ", ".join(found),
        workers,
    )
    logging.shutdown()
    os._exit(forking.CANNOT_FORK)  # waits for no thread


if __name__ == "__main__":
    main()
