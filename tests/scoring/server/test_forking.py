"""Scripts whose init() leaves what a fork does not copy: each worker loads them by itself. All others are shared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from scoring_server import forking

from .process import SERVER, Server, launch, running, write_script

EXECUTOR = """
import os
from concurrent.futures import ThreadPoolExecutor
def init():
    global pool, loaded
    pool, loaded = ThreadPoolExecutor(1, "scorers"), os.getpid()
    pool.submit(int).result()
def run(data):
    if data == "die":
        os._exit(1)
    return pool.submit(lambda: {"init": loaded, "pid": os.getpid()}).result()
"""
REFRESHER = """
import os, threading
def refresh():
    while True:
        asked.acquire()
        answered.release()
def init():
    global asked, answered, loaded
    asked, answered, loaded = threading.Semaphore(0), threading.Semaphore(0), os.getpid()
    threading.Thread(target=refresh, name="refresher", daemon=True).start()
def run(data):
    if data == "die":
        os._exit(1)
    asked.release()
    answered.acquire()
    return {"init": loaded, "pid": os.getpid()}
"""
# What a native library's own threads are to Python: OpenMP's of GCC, which hang in a copy.
OPENMP = """
import os
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
def init():
    global model, loaded
    rows = numpy.random.default_rng(0).random((200, 3))
    model, loaded = HistGradientBoostingClassifier(max_iter=3).fit(rows, rows[:, 0] > 0.5), os.getpid()
def run(data):
    if data == "die":
        os._exit(1)
    assert model.predict([[0.9, 0.5, 0.5]])[0]
    return {"init": loaded, "pid": os.getpid()}
"""
# OpenBLAS ends its threads before a fork, and starts them when they are needed.
OPENBLAS = """
import os
import numpy
from sklearn.linear_model import LogisticRegression
def init():
    global model, matrix, loaded
    rows = numpy.random.default_rng(0).random((200, 3))
    matrix = numpy.ones((500, 500)) @ numpy.ones((500, 500))
    model, loaded = LogisticRegression().fit(rows, rows[:, 0] > 0.5), os.getpid()
    print("threads in init():", len(os.listdir("/proc/self/task")))
def run(data):
    if data == "die":
        os._exit(1)
    assert (matrix @ matrix)[0, 0] == 500.0**3
    assert model.predict([[0.9, 0.5, 0.5]])[0]
    return {"init": loaded, "pid": os.getpid()}
"""
FORKED = {"OpenBLAS": OPENBLAS}
NOT_FORKED = {
    "executor": (EXECUTOR, "1 Python thread (scorers_0)"),
    "refresher": (REFRESHER, "1 Python thread (refresher)"),
    "OpenMP": (OPENMP, "1 thread of native libraries"),
}
THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


def answers(server: Server, count: int) -> dict[int, int]:
    """The process that has run init(), by each of `count` workers."""
    found: dict[int, int] = {}
    with ThreadPoolExecutor(4) as threads:
        while len(found) < count:
            for answer in threads.map(lambda _: server.request("POST", "/score", "x"), range(8)):
                assert answer.status == 200, server.log.text
                found[answer.json()["pid"]] = answer.json()["init"]
    return found


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", NOT_FORKED)
def test_each_worker_loads_what_cannot_be_forked(tmp_path: Path, name: str, workers: int) -> None:
    script, seen = NOT_FORKED[name]
    environ = {"WORKER_COUNT": str(workers), "SCORING_TIMEOUT_MS": "20000", **THREADS}
    with running(write_script(tmp_path, script), "score.py", environ, workers=workers) as server:
        for turn in range(2):
            assert all(pid == init for pid, init in answers(server, workers).items())
            assert server.request("POST", "/score", "die").status == 500
            assert server.log.wait_for("ready for serving traffic", workers + turn + 1)
        assert all(pid == init for pid, init in answers(server, workers).items())
        said = [line for line in server.log.lines if "cannot be forked" in line]
        assert len(said) == (workers > 1)
        assert all(seen in line and "WORKER_PRELOAD=false" in line for line in said)
        assert server.log.count("could not be started") == 0
        assert server.stop() == 0


@pytest.mark.parametrize("name", FORKED)
def test_what_can_be_forked_is_loaded_once(tmp_path: Path, name: str) -> None:
    environ = {"WORKER_COUNT": "2", "SCORING_TIMEOUT_MS": "20000", **THREADS}
    with running(write_script(tmp_path, FORKED[name]), "score.py", environ, workers=2) as server:
        assert server.log.count("threads in init(): 1") == 0, "there are no threads to be looked at"
        found = answers(server, 2)
        assert len(set(found.values())) == 1
        assert set(found).isdisjoint(found.values())
        assert server.log.count("cannot be forked") == 0


HELPER = """
import os, subprocess, threading
def init():
    global helper
    helper = subprocess.Popen(["sleep", "600"])
    print("helper", helper.pid)
    threading.Thread(target=helper.wait, name="waits for ever").start()
def run(data):
    return helper.pid
"""


def test_what_a_refused_template_has_started_ends_with_it(tmp_path: Path) -> None:
    """It may hold what those of the workers need. A thread that never ends does not keep it, either."""
    with running(write_script(tmp_path, HELPER), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        first, *others = (int(line.split()[-1]) for line in server.log.lines if " helper " in line)
        assert len(others) == 2
        assert not Path(f"/proc/{first}").exists() or not Path(f"/proc/{first}/cmdline").read_bytes()
        for pid in others:
            os.kill(pid, 0)
        for pid in others:  # the workers, which wait for them at their end
            os.kill(pid, signal.SIGKILL)


MANAGED = """
import multiprocessing
def init():
    global shared
    shared = multiprocessing.Manager().list([1])
def run(data):
    return list(shared)
"""


def test_forked_workers_leave_to_the_template_what_it_has_started(tmp_path: Path) -> None:
    with running(write_script(tmp_path, MANAGED), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        assert server.score({}).json() == [1]
    assert "Traceback" not in server.log.text


FAILS_LATER = """
import os, pathlib, threading
def init():
    folder = pathlib.Path(__file__).parent
    if (folder / "loaded").exists():
        raise ValueError("no luck")
    (folder / "loaded").touch()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
def run(data): pass
"""


def test_workers_that_fail_then_end_the_start(tmp_path: Path) -> None:
    server = launch(write_script(tmp_path, FAILS_LATER), "score.py", {"WORKER_COUNT": "2"})
    assert not server.log.wait_for("ready for serving traffic")
    assert server.stop() == 3
    assert "no luck" in server.log.text


def obstacles_in(code: str) -> str:
    """What a fresh process finds after `code`."""
    command = [sys.executable, "-c", f"{code}\nfrom scoring_server.forking import obstacles\nprint(obstacles())"]
    environ = {**os.environ, "PYTHONPATH": str(SERVER), **THREADS}
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", []),
        ("import threading\nthread = threading.Thread(target=int)\nthread.start()\nthread.join()", []),
        (
            "from threading import *\nfor n in range(7):\n    Thread(None, Event().wait, f't{n}', daemon=True).start()",
            ["7 Python threads (t0, t1, t2, t3, t4 and 2 more)"],
        ),
        ("import sys\nsys.modules['tensorflow'] = sys.modules['jax'] = sys", ["tensorflow and jax"]),
        ("import numpy\nnumpy.ones((500, 500)) @ numpy.ones((500, 500))", []),
    ],
    ids=["nothing", "an ended thread", "many threads", "runtimes", "OpenBLAS"],
)
def test_obstacles(code: str, found: list[str]) -> None:
    assert obstacles_in(code) == str(found)


@pytest.mark.parametrize(("initialised", "found"), [(True, ["a connection to a GPU"]), (False, [])])
def test_cuda(monkeypatch: pytest.MonkeyPatch, initialised: bool, found: list[str]) -> None:
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(is_initialized=lambda: initialised)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(forking, "python_threads", list)
    monkeypatch.setattr(forking, "_lasting_native_threads", int)
    assert forking.obstacles() == found


def test_an_open_device_is_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(forking, "_DEVICES", f"{tmp_path}/nvidia")
    monkeypatch.setattr(forking, "python_threads", list)
    monkeypatch.setattr(forking, "_lasting_native_threads", int)
    with (tmp_path / "nvidia0").open():
        assert forking.obstacles() == ["a connection to a GPU"]
    assert forking.obstacles() == []
