"""Signals that reach more than the front, and workers whose front is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .process import SERVER, Server, app_root, await_end, later, running, write_script


def beginning_with(action: str) -> list[str]:
    """What Python is to run for a server that finds its signals like this, whatever those of the tests are."""
    code = (
        "import os, signal, sys\n"
        "for name in ('SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'):\n"
        f"    signal.signal(getattr(signal, name), signal.{action})\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'scoring_server', *sys.argv[1:]])"
    )
    return ["-c", code]


FORKS = """
import multiprocessing, os, signal, time
def init(): pass
def run(data):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(30)
    return child.exitcode
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_to_all_processes_loses_no_request(tmp_path: Path, workers: int, number: signal.Signals) -> None:
    """As systemd has it, whose default is to signal the whole control group."""
    environ, program = {"WORKER_COUNT": str(workers)}, beginning_with("SIG_DFL")
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", environ, workers=workers, program=program) as server:
        front = server.process.pid
        children = [int(pid) for pid in Path(f"/proc/{front}/task/{front}/children").read_text().split()]
        pid = server.score({"do": "pid"}).json()
        busy = later(server, {"do": "sleep", "seconds": 1})
        for each in {*children, pid, front}:
            for _ in range(20 if each != front else 1):
                os.kill(each, number)
        assert busy.result(30).status == 200
        assert server.process.wait(30) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_script_forks_takes_the_signal(tmp_path: Path, workers: int) -> None:
    environ = {"WORKER_COUNT": str(workers), "PYTHONWARNINGS": "ignore"}
    with running(write_script(tmp_path, FORKS), "score.py", environ, workers=workers) as server:
        assert server.score(1).json() == -signal.SIGTERM


BUSY = ["time.sleep(60)", "any(False for _ in iter(int, 1))"]


def working(server: Server, busy: str) -> tuple[int, int]:
    """Have a worker work at this for long; gives its process id and its parent's."""
    later(server, {"do": "value", "expression": f"(print('ids', os.getpid(), os.getppid(), flush=True), {busy})"})
    assert server.log.wait_for("print - ids")
    (line,) = [line for line in server.log.lines if "print - ids" in line]
    worker, parent = map(int, line.split()[-2:])
    return worker, parent


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("busy", BUSY)
def test_a_worker_does_not_outlive_its_front(tmp_path: Path, workers: int, busy: str) -> None:
    """Though it is at work, and so does not see that its link is closed."""
    environ = {"WORKER_COUNT": str(workers)}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ, workers=workers) as server:
        worker, _ = working(server, busy)
        server.process.kill()
        await_end(worker)
        server.log.join()  # ends with the last process that has it
        assert server.log.ended


@pytest.mark.parametrize("busy", BUSY)
def test_nor_does_one_that_has_outlived_its_template(tmp_path: Path, busy: str) -> None:
    environ = {"WORKER_COUNT": "2"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ, workers=2) as server:
        worker, template = working(server, busy)
        os.kill(template, signal.SIGKILL)
        await_end(template)
        assert server.score({"do": "pid"}).status == 200
        server.process.kill()
        await_end(worker)


def test_who_finds_its_front_gone_ends() -> None:
    code = (
        "import os, socket\n"
        "from scoring_server import orphans\n"
        "mine, fronts = socket.socketpair()\n"
        "orphans.stay_with(mine, os.getppid())\n"
        "fronts.close()\n"
        "orphans.stay_with(mine, os.getppid())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SERVER)}, check=False)
    assert done.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_other_signals_to_end_drain_too(tmp_path: Path, number: signal.Signals) -> None:
    program = beginning_with("SIG_DFL")
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", program=program) as server:
        busy = later(server, {"do": "sleep", "seconds": 0.5})
        server.process.send_signal(number)
        assert busy.result(30).status == 200
        assert server.process.wait(30) == 0


def test_signals_without_a_meaning_are_passed_over(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            server.process.send_signal(number)
            assert server.score(1).json() == 1
        assert server.stop() == 0


def test_nohup_stays_in_force(tmp_path: Path) -> None:
    """But not what a shell does to SIGINT for what it has in the background."""
    program = beginning_with("SIG_IGN")
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", program=program) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.score(1).json() == 1
        assert server.stop(signal.SIGINT) == 0


SCARCE = """
import errno, os, pathlib
def init():
    os.fork = scarce
def scarce(fork=os.fork):
    if pathlib.Path("scarce").exists():
        pathlib.Path("scarce").unlink()
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()
def run(data):
    if data == '"die"':
        os._exit(1)
    return os.getpid()
"""


def test_a_moment_without_room_for_a_worker_passes(tmp_path: Path) -> None:
    with running(write_script(tmp_path, SCARCE), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        (tmp_path / "scarce").touch()
        assert server.score("die").status == 500
        assert server.score("die").status == 500
        assert server.log.wait_for("A worker cannot be forked: ")
        assert server.log.wait_for("ready for serving traffic", 4)
        assert server.score(1).status == 200
