"""The first workers begin as copies of the front: of one address layout, and else as those that are started anew."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from .process import STRICT, Server, running

SCRIPT = """\
import os, re, signal, sys, threading, warnings


def init():
    global policy
    policy = os.sched_getscheduler(0)


def run(data):
    main = sys.modules["__main__"]
    files = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd") if int(name) > 2]
    return {
        "pid": os.getpid(),
        "parent": os.getppid() if os.environ.get("WORKER_COUNT", "1") == "1" else 0,
        "session": os.getsid(0) == os.getpid(),
        "layout": [line.split("-")[0] for line in open("/proc/self/maps") if "libc.so" in line][0],
        "files": sorted(re.sub("[0-9]+", "N", os.readlink(name)) for name in files if os.path.exists(name)),
        "environ": sorted(os.environ.items()),
        "main": [main.__name__, main.__spec__.name, main.__file__],
        "modules": sorted(name for name in sys.modules if not name.startswith("scoring_server.") and name != "runpy"),
        "policy": policy,
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "command": [re.sub("^[0-9]+$", "N", word) for word in sys.orig_argv],
        "arguments": [len(sys.argv), sys.argv[0], all(word.isdecimal() for word in sys.argv[1:])],
        "path": sys.path,
        "flags": [sys.flags.optimize, sys.warnoptions, [str(entry) for entry in warnings.filters]],
        "streams": [
            [getattr(stream, name) for name in "name mode encoding errors write_through line_buffering".split()]
            for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        ],
        "signals": [[number, str(signal.getsignal(number)).split(" at ")[0]] for number in signal.valid_signals()],
        "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "pending_exception": str(sys.exc_info()),
    }
"""
CONSOLE = "import sys\nfrom scoring_server.cli import main\nsys.exit(main())\n"


@pytest.mark.parametrize("console", [False, True], ids=["module", "command"])
def test_the_first_worker_is_as_those_that_replace_it(tmp_path: Path, console: bool) -> None:
    (tmp_path / "told.py").write_text(SCRIPT)
    command = tmp_path / "bin" / "azmlinfsrv"
    command.parent.mkdir()
    command.write_text(CONSOLE)
    program = ["-O", "-W", "once", str(command)] if console else STRICT
    with running(tmp_path, "told.py", program=program) as server:
        first = told(server)
        assert first.pop("layout") == layout(server.process.pid)
        os.kill(first.pop("pid"), signal.SIGKILL)
        assert server.log.wait_for("is replaced")
        second = told(server)
        del second["pid"], second["layout"]
        assert first == second


def test_templates_and_what_they_fork_have_the_fronts_layout(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(SCRIPT)
    with running(tmp_path, "told.py", {"WORKER_COUNT": "2"}) as server:
        first = told(server)
        assert first["layout"] == layout(server.process.pid)
        os.kill(first["pid"], signal.SIGKILL)
        assert server.log.wait_for("is replaced")
        assert told(server)["layout"] == first["layout"]


@pytest.mark.parametrize("workers", [1, 2])
def test_where_something_has_started_a_thread_nothing_is_copied(tmp_path: Path, workers: int) -> None:
    """As agents do that watch a process: their thread, or what it holds, would be missing in a copy."""
    (tmp_path / "told.py").write_text(SCRIPT)
    agent = tmp_path / "agent" / "sitecustomize.py"
    agent.parent.mkdir()
    agent.write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, name='agent', daemon=True).start()\n"
    )
    environ = {"PYTHONPATH": str(agent.parent), "WORKER_COUNT": str(workers)}
    with running(tmp_path, "told.py", environ, workers=workers) as server:
        assert told(server)["threads"] == ["MainThread", "agent"]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_end_without_a_word(tmp_path: Path, workers: int) -> None:
    (tmp_path / "told.py").write_text(SCRIPT)
    with running(tmp_path, "told.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        told(server)
        assert server.stop() == 0
    assert server.log.lines[-1].endswith("0 requests to finish")


def test_an_error_of_the_script_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    raise ValueError(data)\n")
    with running(tmp_path, "fails.py") as server:
        assert server.score("a").status == 500
        assert server.log.wait_for("ValueError")
    assert "Forked" not in server.log.text
    assert "another exception" not in server.log.text


def told(server: Server) -> dict[str, Any]:
    answer = server.score({})
    assert answer.status == 200, server.log.text
    found: dict[str, Any] = answer.json()
    return found


def layout(pid: int) -> str:
    """Where the C library begins in a process."""
    found = re.search(r"^([0-9a-f]+)-.*libc\.so", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]
