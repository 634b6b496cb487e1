"""Workers that hang, die or are several: the caller gets an answer, the others go on."""

from __future__ import annotations

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .process import Server, app_root, await_end, later, running, wait_for_queue, write_script


def test_health_answers_while_run_is_busy(plain: Server) -> None:
    busy = later(plain, {"do": "sleep", "seconds": 1.5})
    started = time.monotonic()
    assert plain.request("GET", "/").body == b"Healthy"
    assert plain.request("GET", "/swagger.json").status == 200
    assert time.monotonic() - started < 1.0
    assert not busy.done()
    assert busy.result(30).status == 200


def value_of(expression: str) -> dict[str, str]:
    return {"do": "value", "expression": expression}


HANGS = {
    "Python": "any(False for _ in iter(int, 1))",
    # One call into C that holds the interpreter's lock for minutes.
    "C": "__import__('re').match('(a*)*b', 'a' * 40)",
    "C that never returns": "__import__('ctypes').PyDLL(None).pause()",
    "lock": "(lambda lock: lock.acquire() and lock.acquire())(__import__('threading').Lock())",
    "deaf to SIGABRT": "(__import__('signal').signal(6, 1), time.sleep(60))",
    "stopped": "os.kill(os.getpid(), 19)",
    "with a child": "(os.fork() or time.sleep(60), time.sleep(60))",
}


@pytest.mark.parametrize(
    ("hang", "variable"),
    [*((hang, ("SCORING_TIMEOUT_MS", "700")) for hang in HANGS), ("Python", ("WORKER_TIMEOUT", "0.7"))],
)
def test_a_time_out_answers_and_replaces_the_worker(tmp_path: Path, hang: str, variable: tuple[str, str]) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", dict([variable])) as server:
        first = server.score({"do": "pid"}).json()
        hanging = later(server, value_of(HANGS[hang]))
        waiting = ThreadPoolExecutor(1).submit(server.score, {"do": "pid"})
        answer = hanging.result(30)
        assert answer.status == 500
        assert answer.message == "Scoring timeout after 700 ms"
        assert answer.header("x-ms-run-function-failed") == "True"
        assert answer.header("x-ms-run-fn-exec-ms") is None
        second = waiting.result(30)
        assert second.status == 200, "a request that waited goes to the new worker"
        assert second.json() != first
        if hang not in ("deaf to SIGABRT", "stopped"):
            assert server.log.wait_for("plain.py", 2), "the stack of the hanging worker is in the log"
        assert server.log.wait_for("is replaced")
        assert "memory is used up" not in server.log.text


def test_others_are_served_while_one_hangs(tmp_path: Path) -> None:
    """Those that come while it does; test_neighbours.py has those that are there already."""
    environ = {"SCORING_TIMEOUT_MS": "1500", "WORKER_COUNT": "2"}
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", environ, workers=2) as server, ThreadPoolExecutor(4) as callers:
        hanging = later(server, value_of(HANGS["C"]))

        def call(_caller: int) -> int:
            served = 0
            while not hanging.done():
                assert server.score([served]).json() == [served]
                assert server.request("GET", "/").body == b"Healthy"
                served += 1
            return served

        assert min(callers.map(call, range(4))) > 5
        assert hanging.result().status == 500
        assert server.log.wait_for("ready for serving traffic", 3)


DEATHS = {
    "exit": "os._exit(5)",
    "abort": "os.abort()",
    "SIGKILL": "os.kill(os.getpid(), 9)",
    "segmentation fault": "__import__('ctypes').string_at(0)",
    "in a thread": "(__import__('threading').Thread(target=os._exit, args=(3,)).start(), time.sleep(60))",
    "its link closed": "os.closerange(3, 100)",
    # The child holds the worker's end of the link open.
    "with a child": "(os.fork() or time.sleep(60)) and os._exit(5)",
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_dying_worker_is_replaced(tmp_path: Path, death: str, workers: int) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        for turn in range(2):
            answer = server.score(value_of(DEATHS[death]))
            assert answer.status == 500
            assert answer.header("x-ms-run-function-failed") == "True"
            assert server.score({"do": "pid"}).status == 200
            assert server.log.wait_for("ready for serving traffic", workers + turn + 1)
    assert "Traceback" not in server.log.text


@pytest.mark.parametrize("workers", [1, 2])
def test_what_init_has_started_ends_with_the_server(tmp_path: Path, workers: int) -> None:
    text = (
        "import subprocess\n\n\ndef init():\n    global child\n"
        "    child = subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3)\n\n\n"
        "def run(data):\n    return child.pid\n"
    )
    environ = {"WORKER_COUNT": str(workers)}
    with running(write_script(tmp_path / "app", text), "score.py", environ, workers=workers) as server:
        child = server.score({}).json()
        assert Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep")
        assert server.stop() == 0
    await_end(child)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_worker_has_started_ends_with_it(tmp_path: Path, workers: int) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        started = "__import__('subprocess').Popen(['sleep', '600'], stdout=-3, stderr=-3).pid"
        child = server.score(value_of(started)).json()
        worker = int(Path(f"/proc/{child}/stat").read_text().split()[3])
        os.kill(worker, signal.SIGKILL)
        assert server.log.wait_for("is replaced")
        await_end(child)


def test_memory_beyond_the_limit_is_the_scripts_error(tmp_path: Path) -> None:
    limit = "__import__('resource').setrlimit(__import__('resource').RLIMIT_AS, (10**9, -1))"
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        first = server.score({"do": "pid"}).json()
        answer = server.score(value_of(f"({limit}, bytearray(2 * 10**9))"))
        assert answer.status == 500
        assert answer.header("x-ms-run-function-failed") == "True"
        assert server.log.wait_for("MemoryError")
        assert server.log.count("MemoryError") == 1
        assert server.score({"do": "pid"}).json() == first, "nothing was lost but the request"


GATED = """
import os, pathlib, time
def init():
    folder = pathlib.Path(__file__).parent
    while (folder / "started").exists() and not (folder / "gate").exists():
        time.sleep(0.01)
    if (folder / "fails").exists():
        raise ValueError("no luck")
    (folder / "started").touch()
def run(data):
    if data == "die":
        os._exit(1)
    return data
"""


def test_not_healthy_without_a_worker(tmp_path: Path) -> None:
    with running(write_script(tmp_path, GATED), "score.py") as server:
        assert server.request("GET", "/").body == b"Healthy"
        assert server.request("POST", "/score", "die").status == 500
        answer = server.request("GET", "/")
        assert (answer.status, answer.message, answer.header("retry-after")) == (503, "The service is not ready.", "1")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(server.request, "POST", "/score", "x")
            (tmp_path / "gate").touch()
            assert waiting.result(30).json() == "x", "it waits for the worker to come"
        assert server.request("GET", "/").body == b"Healthy"


def test_a_worker_that_cannot_be_replaced_ends_the_process(tmp_path: Path) -> None:
    """Its engine then starts it anew. Who waited hears of it."""
    with running(write_script(tmp_path, GATED), "score.py") as server, ThreadPoolExecutor(1) as pool:
        assert server.request("POST", "/score", "die").status == 500
        waiting = pool.submit(server.request, "POST", "/score", "x")
        wait_for_queue(server, 1)
        (tmp_path / "fails").touch()
        (tmp_path / "gate").touch()
        answer = waiting.result(30)
        assert (answer.status, answer.message) == (503, "The service is stopping.")
        assert answer.header("retry-after") == "1"
        status = server.process.wait(10)
        server.log.join()
        assert status == 3, server.log.text


def test_a_worker_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    environ = {"WORKER_COUNT": "2", "WORKER_PRELOAD": "false"}
    (tmp_path / "gate").touch()
    with running(write_script(tmp_path, GATED), "score.py", environ, workers=2) as server:
        (tmp_path / "fails").touch()
        assert server.request("POST", "/score", "die").status == 500
        assert server.log.wait_for("A worker could not be started (status 3)", 2)
        assert server.request("GET", "/").body == b"Healthy"
        assert server.request("POST", "/score", "x").json() == "x"
        (tmp_path / "fails").unlink()
        assert server.log.wait_for("ready for serving traffic", 3)


@pytest.mark.parametrize("survivors", [0, 1])
def test_workers_are_replaced_without_the_template_that_forked_them(tmp_path: Path, survivors: int) -> None:
    """Whoever has killed it: another is made, which loads the script anew."""
    with running(write_script(tmp_path, WORKERS), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        with ThreadPoolExecutor(4) as pool:
            seen = [answer.json() for answer in pool.map(server.score, range(4))]
        (template,), workers = {each["init"] for each in seen}, {each["pid"] for each in seen}
        os.kill(template, signal.SIGKILL)
        for pid in sorted(workers)[survivors:]:
            os.kill(pid, signal.SIGKILL)
        assert server.score(1).status == 200, server.log.text
        assert server.log.wait_for("ready for serving traffic", 4 - survivors)
        with ThreadPoolExecutor(4) as pool:
            answers = [answer.json() for answer in pool.map(server.score, range(4))]
        assert len({each["pid"] for each in answers}) == 2
        (new,) = {each["init"] for each in answers if each["pid"] not in workers}
        assert new != template


def test_a_template_that_dies_when_it_is_to_fork_is_made_anew(tmp_path: Path) -> None:
    """Its init() was good: the process does not end, although no worker is ready."""
    with running(write_script(tmp_path, WORKERS), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        with ThreadPoolExecutor(4) as pool:
            seen = [answer.json() for answer in pool.map(server.score, range(4))]
            (template,) = {each["init"] for each in seen}
            os.kill(template, signal.SIGSTOP)
            for pid in {each["pid"] for each in seen}:
                os.kill(pid, signal.SIGKILL)
            assert server.log.wait_for("is replaced", 2)
            waiting = pool.submit(server.score, 1)
            wait_for_queue(server, 1)
            os.kill(template, signal.SIGKILL)
            answer = waiting.result(30)
        assert answer.status == 200, server.log.text
        assert answer.json()["init"] != template
        assert server.log.wait_for("ready for serving traffic", 4)


@pytest.mark.parametrize("status", [1, 137, 170, 255])
def test_a_worker_is_replaced_whatever_its_status(tmp_path: Path, status: int) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        assert server.score({"do": "value", "expression": f"os._exit({status})"}).status == 500
        assert server.score(1).json() == 1
        assert server.log.wait_for(f"has ended (status {status}")


def test_an_idle_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        pid = server.score({"do": "pid"}).json()
        os.kill(pid, signal.SIGKILL)
        assert server.log.wait_for(f"The worker with pid {pid} has ended (status 137: SIGKILL")
        assert server.log.wait_for("ready for serving traffic", 2)
        assert server.score({"do": "pid"}).json() != pid


def test_other_requests_survive_deaths(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server, ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            server.score({"do": "pid"})  # a quick script: requests are sent ahead to the worker
        deaths = {3, 7, 8, 12}
        futures = [pool.submit(server.score, {"do": "die"} if number in deaths else [number]) for number in range(20)]
        statuses = [future.result(30).status for future in futures]
        assert {number for number, status in enumerate(statuses) if status == 500} == deaths


WORKERS = """
import os, time
def init():
    global model
    model = os.getpid()
def run(data):
    time.sleep(0.2)
    return {"init": model, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}
"""


@pytest.mark.parametrize("preload", ["true", "false"])
def test_several_workers(tmp_path: Path, preload: str) -> None:
    root = write_script(tmp_path, WORKERS)
    environ = {"WORKER_PRELOAD": preload}
    with (
        running(root, "score.py", environ, ("--worker_count", "2"), workers=2) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        answers = [future.result().json() for future in [pool.submit(server.score, 1) for _ in range(4)]]
        assert len({answer["pid"] for answer in answers}) == 2
        assert len({answer["init"] for answer in answers}) == (1 if preload == "true" else 2)
        assert {answer["pid"] for answer in answers}.isdisjoint({answer["init"] for answer in answers}) == (
            preload == "true"
        )
        assert {answer["threads"] for answer in answers} == {"1"}


SHARED = """
import os, pathlib
def init():
    global model
    model = [os.urandom(1 << 20) for _ in range(96)]
def run(data):
    sum(map(len, model))
    return {"pid": os.getpid(), "memory": pathlib.Path("/proc/self/smaps_rollup").read_text()}
"""


def test_workers_share_what_init_loaded(tmp_path: Path) -> None:
    with running(write_script(tmp_path, SHARED), "score.py", {"WORKER_COUNT": "2"}, workers=2) as server:
        seen: dict[int, dict[str, int]] = {}
        while len(seen) < 2:
            with ThreadPoolExecutor(4) as threads:
                for answer in threads.map(server.score, range(4)):
                    found = answer.json()
                    lines = re.findall(r"^(\w+): +(\d+) kB$", found["memory"], re.MULTILINE)
                    seen[found["pid"]] = {name: int(size) // 1024 for name, size in lines}
    for memory in seen.values():
        assert memory["Rss"] > 96
        assert memory["Private_Dirty"] + memory["Private_Clean"] < 32
