"""Worker processes: started directly, or forked from a template process that has the model loaded already."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from . import forked, threads
from .forked import Forked
from .forking import CANNOT_FORK
from .progress import Progress
from .settings import Settings

_SEND_BUFFER = 1024 * 1024
_END_SEEN_S = 0.05
_LOOK_S = 0.05

_Begin = Callable[[str, Sequence[int], Mapping[str, str]], int]
"""Has a process run one of this package's modules, with file descriptors as its arguments; gives its id."""


class WorkerProcess:
    """A worker as the front holds it: its link, its progress counters, and its process id once that is known."""

    def __init__(
        self, link: socket.socket, progress: Progress, pid: int | None, *, is_child: bool, template: int | None = None
    ) -> None:
        self.link = link
        self.progress = progress
        self.pid = pid
        self.template = template  # the process that is to fork it, or has
        self.killed = False  # by this process
        self._is_child = is_child

    def close(self) -> None:
        """Let go of what this process shares with the worker."""
        self.link.close()
        self.progress.close()

    def open_life(self) -> int | None:
        """A file descriptor that becomes readable when the worker ends, or the template that is to fork it.

        The link alone does not tell: processes that the script has started may hold its other end. None where the
        kernel has no such thing (before 5.3). Raises ProcessLookupError when it has ended already.
        """
        pid = self.pid or self.template
        try:
            return os.pidfd_open(pid) if pid is not None else None
        except ProcessLookupError:
            raise
        except OSError:
            return None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.pid is not None:
            _kill(self.pid, number)
            if number == signal.SIGKILL:
                self.killed = True
                _kill_group(self.pid)

    def told(self, status: int | None) -> str:
        """How it ended, in brackets; nothing where that is not known, as of one that the template has forked."""
        if status is None:
            return ""
        try:
            name = f": {signal.Signals(status - 128).name}"
        except ValueError:  # no signal, or one without a name
            return f" (status {status})"
        memory = ", as when the memory is used up" if name.endswith("SIGKILL") and not self.killed else ""
        return f" (status {status}{name}{memory})"

    async def end(self, patience: float) -> int | None:
        """Make sure that the process is gone, by force after `patience` seconds.

        Gives its exit status, 128 + signal number where a signal ended it; None for a template's child.
        """
        import asyncio  # late, so that the first worker starts before it is loaded

        if self.pid is None:
            return None
        if not self._is_child:
            self.kill()
            await _in_thread(_await_end_of_other, self.pid)
            return None
        ending = asyncio.ensure_future(_in_thread(_await_end, self.pid))
        # One that has ended, and so lost its link, is seen to have: that takes a moment.
        done, _ = await asyncio.wait([ending], timeout=max(patience, _END_SEEN_S))
        if not done:
            self.kill()
            await ending
        _kill_group(self.pid)  # before the worker is reaped: until then its id is no other group's
        return _reap(self.pid)


class Launcher:
    """Starts workers with this process' environment and the numerical libraries' thread counts."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = dict(environ)
        self._environ |= threads.variables(settings.worker_count, self._environ)
        self._forks = settings.worker_preload and settings.worker_count > 1
        self._template: tuple[int, socket.socket] | None = None
        self._proven: int | None = None  # the newest template that a worker became ready of
        verifies = settings.verify_models and settings.model_digests
        self._gate = os.pipe() if verifies else None  # workers read it before init(), until its other end is closed

    def start_first(self, count: int) -> list[WorkerProcess] | Forked:
        """Start workers, or their template, as copies of this process; what it is to run where this is the copy.

        This process must have nothing that they must not have: no connections or keys. Raises OSError, and leaves
        none, where one cannot be started.
        """
        started: list[WorkerProcess] = []
        begin = forked.fork if forked.possible() else _spawn
        try:
            for _ in range(count):
                started.append(self._start(begin))
        except Forked as copy:
            for process in started:
                process.close()
            self.let_init()
            return copy.with_traceback(None)
        except OSError:
            for process in started:
                process.kill()
                process.close()
            self.close()
            raise
        return started

    def start(self) -> WorkerProcess:
        """A new worker. It sends READY through its link when init() is through.

        Workers to be forked come to nothing where the template finds that it cannot: see `was_refused`.
        """
        return self._start(_spawn)

    def _start(self, begin: _Begin) -> WorkerProcess:
        mine, theirs = socket.socketpair()
        # Room for several larger bodies, lest the processes wake each other for pieces of them.
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        progress = Progress.create()
        try:
            with theirs:
                if self._forks:
                    template = self._fork(theirs, progress, begin)
                    return WorkerProcess(mine, progress, None, is_child=False, template=template)
                pid = begin("worker", [theirs.fileno(), progress.fd, *self._waiting], self._environ)
                return WorkerProcess(mine, progress, pid, is_child=True)
        except (OSError, Forked):
            # It is tried again and again: what each start opens must not pile up. A copy is to have none of it.
            mine.close()
            progress.close()
            raise

    async def template_status(self, patience: float = 1.0) -> int | None:
        """The exit status of the template, if it ends within `patience` seconds; the next start() makes another."""
        import asyncio

        if self._template is None:
            return None
        pid, end = self._template[0], time.monotonic() + patience
        while not _is_over(pid):  # no thread: it may live on, and threads that wait for it would pile up
            if time.monotonic() > end:
                return None
            await asyncio.sleep(_LOOK_S)
        return self._forget_template()

    def was_refused(self, process: WorkerProcess) -> bool:
        """Whether a worker's template has ended as it cannot be forked: start() now makes workers that are not."""
        return process.template is not None and not self._forks

    def note_ready(self, process: WorkerProcess) -> None:
        """A worker is ready: its template has loaded the script."""
        self._proven = process.template

    def was_orphaned(self, process: WorkerProcess) -> bool:
        """Whether a worker is not ready for no fault of init(): its template had loaded the script.

        Then the template has ended, or there was no room for a fork.
        """
        return process.template is not None and process.template == self._proven

    def _forget_template(self) -> int | None:
        """Reap the template if it has ended."""
        if self._template is None:
            return None
        pid, control = self._template
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        if ended.si_code == os.CLD_EXITED and ended.si_status == CANNOT_FORK:
            self._forks = False
            _kill_group(pid)  # what init() has started: the workers start it anew
        control.close()
        self._template = None
        return _reap(pid)

    def let_init(self) -> None:
        """The models are those that were registered: scripts may load them."""
        if self._gate is not None:
            gate, self._gate = self._gate, None
            for fd in gate:
                os.close(fd)

    @property
    def _waiting(self) -> tuple[int, ...]:
        return () if self._gate is None else self._gate[:1]

    def close(self) -> None:
        """End the template, if there is one."""
        if self._template is not None:
            pid, control = self._template
            self._template = None
            control.close()
            _kill(pid, signal.SIGKILL)
            _kill_group(pid)
            _reap(pid)

    def _fork(self, link: socket.socket, progress: Progress, begin: _Begin) -> int:
        """Have the template fork a worker; gives the template's process id."""
        self._forget_template()
        if self._template is None:
            mine, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
            try:
                with theirs:
                    fds = [theirs.fileno(), *self._waiting]
                    self._template = begin("template", fds, self._environ), mine
            except (OSError, Forked):
                mine.close()
                raise
        # Waits in the socket until the template has run init().
        socket.send_fds(self._template[1], [b"fork"], [link.fileno(), progress.fd])
        return self._template[0]


def _spawn(module: str, fds: Sequence[int], environ: Mapping[str, str]) -> int:
    """Start a Python anew: see `_Begin`."""
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        return os.posix_spawn(sys.executable, forked.command(module, fds), environ, setsid=True)
    finally:
        for fd in fds:
            os.set_inheritable(fd, False)


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    """End what the script has started in the process group of a worker or template."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


async def _in_thread(wait: Callable[[int], None], pid: int) -> None:
    """Have a thread wait for the end of a process, or look now and then where the system has no room for a thread."""
    import asyncio

    try:
        await asyncio.to_thread(wait, pid)
    except RuntimeError:
        while not _is_over(pid):
            await asyncio.sleep(_LOOK_S)


def _is_over(pid: int) -> bool:
    """Whether a process has ended, be it this one's child or not."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _await_end(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # reaped by another who waited
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _await_end_of_other(pid: int) -> None:
    """Wait for a process that is no child of this one, and that has been killed."""
    with contextlib.suppress(ProcessLookupError):
        try:
            life = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # the kernel has no such thing
            while not _is_over(pid):
                time.sleep(0.01)
            return
        poll = select.poll()
        poll.register(life, select.POLLIN)
        poll.poll()
        os.close(life)


def _reap(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
