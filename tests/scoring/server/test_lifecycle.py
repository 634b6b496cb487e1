"""Start, readiness, workers that hang or die, and stopping."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from .process import Answer, Server, app_root, launch, read_all, running

GATED = """
import os, pathlib, time
def init():
    while not pathlib.Path(os.environ["GATE"]).exists():
        time.sleep(0.01)
def run(data):
    return data
"""


def write_script(root: Path, text: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "score.py").write_text(text)
    return root


def test_healthy_only_after_init(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    server = launch(write_script(tmp_path / "app", GATED), "score.py", {"GATE": str(gate)})
    try:
        assert server.log.wait_for("Invoking user's init function")
        for method, target in (("GET", "/"), ("POST", "/score"), ("GET", "/swagger.json")):
            answer = server.request(method, target, "1" if method == "POST" else None)
            assert answer.status == 503
            assert answer.message == "The service is not ready."
            assert answer.header("retry-after") == "1"
        gate.touch()
        assert server.log.wait_for("ready for serving traffic")
        assert server.request("GET", "/").body == b"Healthy"
        assert server.score([1]).json() == "[1]"
    finally:
        gate.touch()
        assert server.stop() == 0


def test_connections_may_be_refused_until_the_script_is_ready(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    environ = {"GATE": str(gate), "SCORING_LISTEN_WHEN_READY": "true"}
    server = launch(write_script(tmp_path / "app", GATED), "score.py", environ)
    try:
        assert server.log.wait_for("Invoking user's init function")
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        gate.touch()
        assert server.log.wait_for("Listening on")
        assert server.score([1]).json() == "[1]"
    finally:
        gate.touch()
        assert server.stop() == 0


@pytest.mark.parametrize("late", ["false", "true"])
def test_sigterm_during_init_ends_at_once(tmp_path: Path, late: str) -> None:
    environ = {"GATE": str(tmp_path / "never"), "SCORING_LISTEN_WHEN_READY": late}
    server = launch(write_script(tmp_path / "app", GATED), "score.py", environ)
    assert server.log.wait_for("Invoking user's init function")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 3


FAILURES = {
    "init raises": ("def init(): raise RuntimeError('no luck')\ndef run(x): return x", "RuntimeError: no luck"),
    "init exits": ("import sys\ndef init(): sys.exit(0)\ndef run(x): return x", "SystemExit: 0"),
    "import fails": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": ("def init(:", "SyntaxError"),
    "no init": ("def run(x): return x", "has no function init()"),
    "no run": ("def init(): pass", "has no function run()"),
    "no argument": ("def init(): pass\ndef run(): pass", "run() takes no argument"),
    "headers only": ("def init(): pass\ndef run(request_headers): pass", "run() takes no argument"),
    "star arguments": ("def init(): pass\ndef run(*args): pass", "must not take positional-only arguments"),
    "positional only": ("def init(): pass\ndef run(x, /): pass", "must not take positional-only arguments"),
    "not text": ("def init(): pass\nrun = 3", "has no function run()"),
}


@pytest.mark.parametrize(("script", "expected"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_failing_script_ends_the_process(tmp_path: Path, script: str, expected: str, workers: str) -> None:
    root = write_script(tmp_path / "app", script)
    model = root / "azureml-models" / "digits" / "1" / "model.pkl"
    model.parent.mkdir(parents=True)
    model.write_text("")
    environ = {"AZUREML_MODEL_DIR": str(root / "azureml-models"), "WORKER_COUNT": workers}
    server = launch(root, "score.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert expected in server.log.text
    assert "Traceback" in server.log.text
    listing = ["azureml-models/", "    digits/", "        1/", "            model.pkl"]
    for line in listing:
        assert server.log.count(f"azmlinfsrv - {line}") >= 1


def test_a_missing_script_says_what_is_there(tmp_path: Path) -> None:
    write_script(tmp_path, GATED)
    server = launch(tmp_path, "other.py")
    server.log.join()
    assert server.process.wait(10) == 3
    assert "other.py does not exist. Set AZUREML_ENTRY_SCRIPT" in server.log.text
    assert "holds: score.py" in server.log.text


def test_the_listing_of_models_is_cut(tmp_path: Path) -> None:
    root = write_script(tmp_path / "app", "def init(): raise ValueError\ndef run(x): pass")
    models = root / "azureml-models"
    models.mkdir()
    for number in range(300):
        (models / f"{number:03}").touch()
    server = launch(root, "score.py", {"AZUREML_MODEL_DIR": str(models)})
    server.log.join()
    server.process.wait(10)
    assert server.log.count("azmlinfsrv -     ") == 199
    assert "Output Truncated. First 200 lines shown." in server.log.text


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = launch(write_script(tmp_path, GATED), "score.py", {"GATE": "/"}, ("--port", str(port)))
        server.log.join()
        assert server.process.wait(10) == 1
        assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in server.log.text


def test_a_wrong_setting_is_said(tmp_path: Path) -> None:
    server = launch(write_script(tmp_path, GATED), "score.py", {"WORKER_COUNT": "many"})
    server.log.join()
    assert server.process.wait(10) == 3
    assert "WORKER_COUNT is 'many'; allowed are whole numbers from 1 to 1024." in server.log.text


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [(("--help",), 0, "--entry_script"), (("--port", "0"), 1, "allowed are 1 to 65535"), (("--no",), 1, "--no")],
)
def test_command_line(tmp_path: Path, arguments: tuple[str, ...], status: int, text: str) -> None:
    server = launch(tmp_path, "score.py", arguments=arguments)
    server.log.join()
    assert server.process.wait(10) == status
    assert text in server.log.text


def later(server: Server, value: object) -> Future[Answer]:
    """The answer to come; the request is at the worker when this returns."""
    before = server.log.count("run with")
    pool = ThreadPoolExecutor(1)
    future = pool.submit(server.score, value)
    pool.shutdown(wait=False)
    assert server.log.wait_for("run with", before + 1)
    return future


def test_health_answers_while_run_is_busy(plain: Server) -> None:
    busy = later(plain, {"do": "sleep", "seconds": 1.5})
    started = time.monotonic()
    assert plain.request("GET", "/").body == b"Healthy"
    assert plain.request("GET", "/swagger.json").status == 200
    assert time.monotonic() - started < 1.0
    assert not busy.done()
    assert busy.result(30).status == 200


PYTHON_HANGS = {"do": "value", "expression": "[None for _ in iter(int, 1)]"}
# One call into C that holds the interpreter's lock for minutes.
C_HANGS = {"do": "value", "expression": "__import__('re').match('(a*)*b', 'a' * 40)"}


@pytest.mark.parametrize("request_", [PYTHON_HANGS, C_HANGS], ids=["Python", "C"])
@pytest.mark.parametrize("variable", [("SCORING_TIMEOUT_MS", "700"), ("WORKER_TIMEOUT", "0.7")])
def test_a_time_out_answers_and_replaces_the_worker(
    tmp_path: Path, request_: dict[str, str], variable: tuple[str, str]
) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", dict([variable])) as server:
        first = server.score({"do": "pid"}).json()
        hanging = later(server, request_)
        waiting = ThreadPoolExecutor(1).submit(server.score, {"do": "pid"})
        answer = hanging.result(30)
        assert answer.status == 500
        assert answer.message == "Scoring timeout after 700 ms"
        assert answer.header("x-ms-run-function-failed") == "True"
        assert answer.header("x-ms-run-fn-exec-ms") is None
        second = waiting.result(30)
        assert second.status == 200, "a request that waited goes to the new worker"
        assert second.json() != first
        assert server.log.wait_for("plain.py", 2), "the stack of the hanging worker is in the log"


@pytest.mark.parametrize("action", ["die", "abort"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_dying_worker_is_replaced(tmp_path: Path, action: str, workers: int) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        for turn in range(2):
            answer = server.score({"do": action})
            assert answer.status == 500
            assert answer.header("x-ms-run-function-failed") == "True"
            assert server.score({"do": "pid"}).status == 200
            assert server.log.wait_for("ready for serving traffic", workers + turn + 1)


def test_an_idle_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        pid = server.score({"do": "pid"}).json()
        os.kill(pid, signal.SIGKILL)
        assert server.log.wait_for(f"The worker with pid {pid} has ended (status 137) and is replaced")
        assert server.log.wait_for("ready for serving traffic", 2)
        assert server.score({"do": "pid"}).json() != pid


def test_other_requests_survive_a_death(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server, ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            server.score({"do": "pid"})  # a quick script: requests are sent ahead to the worker
        futures = [pool.submit(server.score, {"do": "die"} if number == 7 else [number]) for number in range(20)]
        statuses = [future.result(30).status for future in futures]
        assert statuses.count(500) == 1
        assert statuses[7] == 500


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


def test_sigterm_finishes_what_was_asked(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server, ThreadPoolExecutor(3) as pool:
        running_one = later(server, {"do": "sleep", "seconds": 1})
        queued = pool.submit(server.score, {"do": "sleep", "seconds": 0.1})
        idle = server.connect()
        with idle:
            server.process.send_signal(signal.SIGTERM)
            assert server.log.wait_for("Stopping:")
            idle.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7")
            late = read_all(idle)
        assert late.startswith(b"HTTP/1.1 200")
        assert late.endswith(b"7")
        assert b"Connection: close" in late
        answer = running_one.result(30)
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert queued.result(30).status == 200
        assert server.process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_no_request_is_lost_when_stopping_under_load(tmp_path: Path) -> None:
    """New connections all the time: each is answered, or refused before it is made."""
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server:
        outcomes: list[str] = []
        stop = threading.Event()

        def client() -> None:
            while not stop.is_set():
                try:
                    connection = server.connect()
                except OSError:
                    return
                with connection:
                    connection.sendall(
                        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n7"
                    )
                    outcomes.append("ok" if read_all(connection).endswith(b"7") else "lost")

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert server.log.wait_for("POST /score 200", 100)
        assert server.stop() == 0
        stop.set()
        for thread in threads:
            thread.join()
        # The kernel may complete a handshake in the instant between the last accept and the close.
        assert outcomes.count("lost") <= 1
        assert outcomes.count("ok") >= 100


def test_the_drain_ends_in_time(tmp_path: Path) -> None:
    environ = {"SCORING_DRAIN": "1"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ) as server:
        hanging = later(server, {"do": "sleep", "seconds": 60})
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 4
        assert "SCORING_DRAIN allows" in server.log.text
        answer = hanging.result(30)
        assert (answer.status, answer.message) == (503, "The service is stopping.")


def test_no_process_is_left(tmp_path: Path) -> None:
    environ = {"WORKER_COUNT": "2"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ, workers=2) as server:
        pids = [int(found) for found in re.findall(r"Worker with pid (\d+) ready", server.log.text)]
        assert len(pids) == 2
        server.process.kill()
        server.process.wait(10)
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline, "workers outlive their front"
            time.sleep(0.02)
