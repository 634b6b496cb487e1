"""Settings that show in answers and in the log: prefix, origins, config file, ports, swagger files, logging."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

from .process import SERVER, Server, app_root, launch, running

SCRIPT = """
import logging
import sys

def init():
    print("a", 1, sep="-")
    sys.stderr.write("to stderr\\n")
    print(end="")
    logging.getLogger("azmlinfsrv").debug("a detail")

def run(data):
    print("got", data)
    return data
"""
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [DIWE] \[\d+\] [\w.]+ - .*")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text(SCRIPT)
    return tmp_path


def test_prefix(root: Path) -> None:
    with running(root, "score.py", {"SERVICE_PATH_PREFIX": "/a/b/"}) as server:
        assert server.request("POST", "/a/b/score", "x").json() == "x"
        assert server.request("POST", "/score", "x").status == 404
        assert server.request("GET", "/swagger.json").status == 404
        document = server.request("GET", "/a/b/swagger.json").json()
        assert set(document["paths"]) == {"/a/b/", "/a/b/score", "/a/b/swagger.json"}
        for target in ("/a/b/", "/a/b", "/"):
            assert server.request("GET", target).body == b"Healthy"


def test_cross_origin_headers_are_on_every_answer(root: Path) -> None:
    with running(root, "score.py", {"AML_CORS_ORIGINS": "http://a.example, http://b.example"}) as server:
        for method, target in (("GET", "/"), ("POST", "/score"), ("GET", "/nope"), ("PUT", "/score"), ("OPTIONS", "/")):
            answer = server.request(method, target, "1" if method == "POST" else None, {"Origin": "http://b.example"})
            assert answer.header("access-control-allow-origin") == "http://b.example"
        preflight = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
        answer = server.request("OPTIONS", "/score", None, {**preflight, "Access-Control-Request-Headers": "x-a"})
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header("access-control-allow-methods") == "GET, POST"
        assert answer.header("access-control-allow-headers") == "x-a"
        other = server.request("POST", "/score", "1", {"Origin": "http://c.example"})
        assert other.header("access-control-allow-origin") is None


def test_config_file_beside_the_script(root: Path) -> None:
    (root / "config.json").write_text(json.dumps({"SERVICE_NAME": "from file", "SCORING_TIMEOUT_MS": 500, "odd": 1}))
    with running(root, "score.py") as server:
        assert server.request("GET", "/swagger.json").json()["info"]["title"] == "from file"
        assert server.log.wait_for("keys without a meaning here: odd")


def test_command_line_starts_a_script_by_path(root: Path) -> None:
    """The app root is the working directory where nothing else says so."""
    port = free_port()
    environ = {"AML_APP_ROOT": "", "AZUREML_ENTRY_SCRIPT": "other.py"}
    server = launch(root, "score.py", environ, ("--entry_script", "score.py", "--health_port", str(port)))
    try:
        assert server.log.wait_for("ready for serving traffic")
        assert server.score(1).status == 200
        health = Server(server.process, port, server.log, root)
        assert health.request("GET", "/").body == b"Healthy"
    finally:
        assert server.stop() == 0


def test_main_is_the_default_script(root: Path) -> None:
    (root / "score.py").rename(root / "main.py")
    with running(root, "") as server:
        assert server.request("POST", "/score", "x").json() == "x"


def test_log_lines(root: Path) -> None:
    with running(root, "score.py") as server:
        server.request("POST", "/score?a=%0A", "x")
        server.request("GET", "/nope")
        server.request("GET", "/")
        assert server.log.wait_for("GET /nope 404")
        text = server.log.text
    assert "azmlinfsrv.print - a-1" in text
    assert "\nto stderr\n" in text
    assert "azmlinfsrv.print - got x" in text
    assert re.search(r" I \[\d+\] azmlinfsrv - POST /score\?a=%0A 200 \d+\.\d{3}ms 3$", text, re.MULTILINE)
    assert re.search(r" azmlinfsrv - GET /nope 404 \d+\.\d{3}ms \d+$", text, re.MULTILINE)
    assert "GET / " not in text
    assert "a detail" not in text
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == ["to stderr"]


def test_log_level(root: Path) -> None:
    server = launch(root, "score.py", {"AZUREML_LOG_LEVEL": "DEBUG"})
    try:
        assert server.log.wait_for("a detail")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "dictConfig takes"),
        ('{"version": 1, "formatters": {"f": {"()": "no.such.Formatter"}}}', "No module named 'no'"),
    ],
)
def test_a_wrong_logging_file_is_said(root: Path, text: str, why: str) -> None:
    (root / "logging.json").write_text(text)
    server = launch(root, "score.py")
    server.log.join()
    assert server.process.wait(10) == 3
    (line,) = [line for line in server.log.lines if line.startswith("Cannot start: ")]
    assert f"{root}/logging.json" in line
    assert why in line


def test_no_body_and_no_header_is_logged(plain: Server) -> None:
    plain.request("POST", "/score", '{"password": "hunter2"}', {"Authorization": "Bearer hunter3"})
    plain.request("POST", "/score", '{"do": "raise", "password": "hunter2"}', {"Authorization": "Bearer hunter3"})
    assert plain.log.wait_for("secret detail")
    assert "hunter" not in plain.log.text


def test_version_header_can_be_left_out(root: Path) -> None:
    with running(root, "score.py", {"SERVER_VERSION_LOG_RESPONSE_ENABLED": "false"}) as server:
        assert server.request("GET", "/").header("x-ms-server-version") is None


def test_nan_as_null(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    request = {"do": "value", "expression": "{'a': [float('nan'), (1.5, float('-inf'))]}"}
    with running(root, "plain.py", {"SCORING_NAN_AS_NULL": "true"}) as server:
        assert server.score(request).json() == {"a": [None, [1.5, None]]}


@pytest.mark.parametrize(("setting", "expected"), [("true", "scoring_server.fastjson"), ("false", "json")])
def test_fast_json_can_be_turned_off(tmp_path: Path, setting: str, expected: str) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_FAST_JSON": setting}) as server:
        assert server.score({"do": "value", "expression": "json.loads.__module__"}).json() == expected


NUMPY = """
{early}
def init():
    import numpy

def run(data):
    import numpy
    return [type(numpy.array).__module__, numpy.array([[0.5] * 300] * 2).sum()]
"""


@pytest.mark.parametrize("early", ["import numpy as np", ""])
@pytest.mark.parametrize(("setting", "expected"), [("true", "scoring_server.fastarray"), ("false", "builtins")])
def test_fast_arrays_can_be_turned_off(tmp_path: Path, setting: str, expected: str, early: str) -> None:
    root = app_root(tmp_path)
    (root / "score.py").write_text(NUMPY.format(early=early))
    with running(root, "score.py", {"SCORING_FAST_ARRAYS": setting}) as server:
        assert server.score({}).json() == [expected, 300.0]


IMPORTS = """
import pickle
from azureml.core import Model
from azureml.core.model import Model as SameModel
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from azureml_inference_server_http.api.aml_request import AMLRequest as SameRequest
from azureml_inference_server_http.api.aml_response import AMLResponse as SameResponse
import joblib
import joblib.numpy_pickle
import sklearn.externals
from sklearn.externals import joblib as old
import sklearn.externals.joblib as older
import sklearn.externals.joblib.numpy_pickle as pickles

def init():
    global model
    assert old is joblib and older is joblib
    assert pickles is joblib.numpy_pickle
    assert joblib.__spec__.name == "joblib"
    assert joblib.numpy_pickle.__spec__.name == "joblib.numpy_pickle"
    assert Model is SameModel and AMLRequest is SameRequest and AMLResponse is SameResponse
    model = joblib.load(Model.get_model_path("digits"))

def run(data):
    return model
"""


def test_import_names_of_scripts(tmp_path: Path) -> None:
    import joblib

    (tmp_path / "score.py").write_text(IMPORTS)
    folder = tmp_path / "azureml-models" / "digits" / "1"
    folder.mkdir(parents=True)
    joblib.dump({"a": [1.5]}, folder / "model.pkl")
    with running(tmp_path, "score.py", {"PYTHONWARNINGS": "ignore"}) as server:
        assert server.request("POST", "/score", "x").json() == {"a": [1.5]}


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "/score%00", "/score\\", "*"])
def test_odd_paths_are_not_found(plain: Server, path: str) -> None:
    answer = plain.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
    assert b"root:" not in answer


def test_the_package_brings_the_command(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("installed")
    # setuptools writes beside the sources.
    sources = shutil.copytree(SERVER, tmp_path_factory.mktemp("sources") / "server")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*install, str(sources)], check=True, timeout=300)
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(folder / "bin" / "azmlinfsrv"), "--help"]
    printed = subprocess.run(command, check=True, env=environ, cwd=root, capture_output=True, text=True).stdout
    assert printed.startswith("usage: azmlinfsrv")
    for flag in ("entry_script", "model_dir", "port", "health_port", "worker_count", "config_file"):
        assert f"--{flag} " in printed
    for flag in ("appinsights_instrumentation_key", "access_control_allow_origins"):
        assert f"--{flag} " in printed
    assert (folder / "azureml_inference_server_http" / "log_config.py").exists()
