"""The template: runs init() once and forks workers, which so share the loaded model's memory."""

from __future__ import annotations

import os
import signal
import socket
import sys

from . import swagger, warmup
from .progress import Progress
from .settings import Settings
from .worker import Worker, prepare, start_process


def main() -> None:
    """``python -m scoring_server.template <control fd>``: each packet with a link's and a progress' fd is a worker."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    settings = Settings.from_environ()
    start_process(settings)
    script = prepare(settings)
    documents = swagger.documents(settings, script)
    # Ended workers need no waiting for. Set after init(), which may wait for processes of its own.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        packet, fds, _, _ = socket.recv_fds(control, 16, 2)
        if not packet:
            return
        if os.fork() == 0:
            control.close()
            os.setpgid(0, 0)  # a group of its own, to be ended with all that run() may start
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            worker = Worker(socket.socket(fileno=fds[0]), Progress(fds[1]), script, settings)
            # Not before the fork: threads that a library starts at its first use would be missing in the workers.
            warmup.warm_up(settings, script, worker.rehearse)
            worker.serve(documents)
            return
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    main()
