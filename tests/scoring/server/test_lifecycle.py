"""Start: readiness, scripts and settings that cannot be served."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from .kinds import wait_until_ready
from .process import STRICT, launch, write_script

SCRIPT = "def init(): pass\ndef run(data): return data\n"
GATED = """
import os, pathlib, time
def init():
    while not pathlib.Path(os.environ["GATE"]).exists():
        time.sleep(0.01)
def run(data):
    return data
"""


def test_healthy_only_after_init(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    server = launch(write_script(tmp_path / "app", GATED), "score.py", {"GATE": str(gate)})
    try:
        assert server.log.wait_for("Invoking user's init function")
        assert server.log.wait_for("Listening on")
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
    "init raises where logging is set up": (
        "import logging.config\nlogging.config.dictConfig({'version': 1})\ndef init(): 1 / 0\ndef run(x): return x",
        "ZeroDivisionError",
    ),
}
REFUSALS = {
    "no init": ("def run(x): return x", "has no function init()"),
    "no run": ("def init(): pass", "has no function run()"),
    "no argument": ("def init(): pass\ndef run(): pass", "run() takes no argument"),
    "headers only": ("def init(): pass\ndef run(request_headers): pass", "run() takes no argument"),
    "star arguments": ("def init(): pass\ndef run(*args): pass", "must not take positional-only arguments"),
    "positional only": ("def init(): pass\ndef run(x, /): pass", "must not take positional-only arguments"),
    "not text": ("def init(): pass\nrun = 3", "has no function run()"),
    "async init": ("async def init(): pass\ndef run(x): return x", "init() is declared with async def"),
    "async run": ("def init(): pass\nasync def run(x): return x", "run() is declared with async def"),
    "async stream": ("def init(): pass\nasync def run(x): yield x", "run() is declared with async def"),
    "async batch": ("def init(): pass\nasync def run_batch(x): return x", "run_batch() is declared with async def"),
    "no run where logging is off": (
        "import logging\nlogging.disable(logging.CRITICAL)\ndef init(): pass",
        "has no function run()",
    ),
    "generator": ("def init(): pass\ndef run(x): yield x", "return AMLResponse(generator, 200)"),
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
    assert "before it was ready" not in server.log.text
    listing = ["azureml-models/", "    digits/", "        1/", "            model.pkl"]
    for line in listing:
        assert server.log.count(f"azmlinfsrv - {line}") >= 1


@pytest.mark.parametrize(("script", "expected"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_script_that_cannot_be_served_is_refused(tmp_path: Path, script: str, expected: str, workers: str) -> None:
    assert_refused(write_script(tmp_path / "app", script), expected, {"WORKER_COUNT": workers})


def assert_refused(root: Path, expected: str, environ: dict[str, str]) -> None:
    """The start ends with the status 3 and a line for people; this server's own code is of no use to them."""
    server = launch(root, "score.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert expected in server.log.text
    assert "Traceback" not in server.log.text


FILES = {
    "swagger.json that ends early": ("swagger.json", b'{"swagger":', "swagger.json cannot be read as JSON"),
    "swagger3.json of another kind": ("swagger3.json", b"[1]", "swagger3.json holds no JSON object"),
    "logging.json": ("logging.json", b"{}", "logging.json is not what Python's logging.config.dictConfig takes"),
}


@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes, expected: str, workers: str
) -> None:
    root = write_script(tmp_path / "app", SCRIPT)
    (root / name).write_bytes(content)
    assert_refused(root, expected, {"WORKER_COUNT": workers})


def test_a_script_without_its_suffix(tmp_path: Path) -> None:
    root = write_script(tmp_path / "app", SCRIPT)
    assert_refused(root, "Did you mean score.py?", {"AZUREML_ENTRY_SCRIPT": "score"})


DEATHS = {
    "memory": ("os.kill(os.getpid(), 9)", 137, "(status 137: SIGKILL, as when the memory is used up)"),
    "exit": ("os._exit(7)", 7, "(status 7)"),
    "a status beyond all signals": ("os._exit(170)", 170, "(status 170)"),
}


@pytest.mark.parametrize(("action", "status", "told"), DEATHS.values(), ids=DEATHS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_dies_at_its_start_is_told_of(
    tmp_path: Path, action: str, status: int, told: str, workers: str
) -> None:
    root = write_script(tmp_path / "app", f"import os\ndef init(): {action}\ndef run(x): return x")
    server = launch(root, "score.py", {"WORKER_COUNT": workers})
    server.log.join()
    assert server.process.wait(10) == status
    assert f"The worker has ended before it was ready {told}" in server.log.text


@pytest.mark.parametrize(
    ("environ", "hint"), [({}, "AZUREML_MODEL_DIR is not set"), ({"AZUREML_MODEL_DIR": "/none"}, "'/none', which does")]
)
def test_a_script_without_its_models_gets_a_hint(tmp_path: Path, environ: dict[str, str], hint: str) -> None:
    root = write_script(tmp_path / "app", "def init(): open('/none')\ndef run(x): return x")
    server = launch(root, "score.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert hint in server.log.text


@pytest.mark.parametrize("environ", [{}, {"WORKER_COUNT": "2"}, {"WORKER_COUNT": "2", "WORKER_PRELOAD": "false"}])
def test_a_thread_of_the_script_does_not_hide_its_failure(tmp_path: Path, environ: dict[str, str]) -> None:
    text = (
        "import threading\n\n\ndef init():\n    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise RuntimeError('no luck')\n\n\ndef run(data):\n    pass\n"
    )
    server = launch(write_script(tmp_path / "app", text), "score.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert "RuntimeError: no luck" in server.log.text
    assert "pending" not in server.log.text


CLOSED = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def test_it_serves_without_standard_streams(tmp_path: Path) -> None:
    text = (
        "import os\n\n\ndef init():\n    pass\n\n\n"
        "def run(data):\n    print(data)\n    return os.readlink('/proc/self/fd/1')\n"
    )
    server = launch(write_script(tmp_path / "app", text), "score.py", program=["-c", CLOSED, *STRICT])
    try:
        wait_until_ready(server, 1)
        assert server.score({}).json() == os.devnull
    finally:
        assert server.stop() == 0


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
