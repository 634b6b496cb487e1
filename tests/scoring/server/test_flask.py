"""Scripts that use Flask, on which Azure ML's server runs, beyond what the table of cases has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .process import Server, running, write_script

LOGS = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "handlers": {"wsgi": {"class": "logging.StreamHandler", "stream": "ext://flask.logging.wsgi_errors_stream"}},
    "root": {"level": "INFO", "handlers": ["wsgi"]},
})
from flask import jsonify
def init(): logging.info("from init")
def run(data):
    logging.info("from run")
    return jsonify(data)
"""
PUSHES = """
import json
from azureml.contrib.services.aml_request import rawhttp
from flask import Flask, Response, current_app
app = Flask("own")
def init(): pass
def parts():
    yield "a"
    yield "b"
"""
PUSHES_RAW = PUSHES + "@rawhttp\ndef run(request):\n    app.app_context().push()\n    return Response(parts())\n"
PUSHES_PLAIN = PUSHES + "def run(data):\n    app.app_context().push()\n    return current_app.name\n"
BATCHED = """
from flask import Response, jsonify, stream_with_context
def init(): pass
def run_batch(inputs):
    for text in inputs:
        yield jsonify(text=text)
"""
IMPORTS = (
    "import json, flask\n",
    "import os.path as p , flask as f\nimport flask\n",
    "x = 1; import flask\n",
)
LAZY = "def helper(data):\n    from flask import jsonify, request\n    return jsonify(data=data, seen=request.path)\n"
BROKEN = """
import sys
{}
def init(): pass
def run(data):
    try:
        from flask import jsonify
    except Exception:
        return "without"
    return jsonify(data)
"""


@contextmanager
def serving(folder: Path, packages: Path, script: str, **environ: str) -> Iterator[Server]:
    environ = {"PYTHONPATH": str(packages), "PYTHONWARNINGS": "ignore", **environ}
    with running(write_script(folder, script), "score.py", environ) as server:
        yield server


def test_its_log_stream_leads_to_the_log(tmp_path: Path, script_packages: Path) -> None:
    with serving(tmp_path, script_packages, LOGS) as server:
        assert server.score(1).json() == "1"
        assert server.log.count("from init") == server.log.count("from run") == 1


@pytest.mark.parametrize(("script", "body"), [(PUSHES_RAW, b"ab"), (PUSHES_PLAIN, b'"own"')])
def test_a_context_that_run_leaves_open_changes_no_answer(
    tmp_path: Path, script_packages: Path, script: str, body: bytes
) -> None:
    with serving(tmp_path, script_packages, script) as server:
        for _ in range(3):
            answer = server.score(1)
            assert (answer.status, answer.body) == (200, body)
        assert server.log.count("is replaced") == 0


def test_batches_have_an_application(tmp_path: Path, script_packages: Path) -> None:
    """And may be given one by one."""
    with serving(tmp_path, script_packages, BATCHED) as server:
        assert server.score([1]).json() == {"text": "[1]"}


def test_a_module_of_the_users_may_import_it_late(tmp_path: Path, script_packages: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "helping.py").write_text(LAZY)
    script = "from own.helping import helper\ndef init(): pass\ndef run(data): return helper(data)\n"
    with serving(tmp_path, script_packages, script) as server:
        assert server.request("POST", "//score", "x").json() == {"data": "x", "seen": "/score"}


@pytest.mark.parametrize("line", IMPORTS)
def test_ways_to_import_it(tmp_path: Path, script_packages: Path, line: str) -> None:
    script = f"{line}def init(): pass\ndef run(data): return flask.request.path\n"
    with serving(tmp_path, script_packages, script) as server:
        assert server.score(1).json() == "/score"


@pytest.mark.parametrize(
    "cause", ["sys.modules['flask'] = None", "import os\nsys.path.insert(0, os.path.dirname(__file__) + '/fake')"]
)
@pytest.mark.parametrize("run", ["run", "run_batch"])
def test_a_script_may_do_without(tmp_path: Path, script_packages: Path, cause: str, run: str) -> None:
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "flask.py").write_text("raise RuntimeError('not here')")
    script = BROKEN.format(cause)
    if run == "run_batch":
        script = script.replace("def run(data)", "def call(data)") + "def run_batch(inputs): return map(call, inputs)\n"
    with serving(tmp_path, script_packages, script) as server:
        for _ in range(2):
            assert server.score(1).json() == "without"


def test_scripts_that_do_not_name_it_do_not_pay_for_it(tmp_path: Path, script_packages: Path) -> None:
    """A library may import it for purposes of its own."""
    script = '''"""
import of data from
from flask to here
"""
__import__("flask")
def init(): pass
def run(data):
    from importlib import import_module
    return import_module("flask").has_request_context()
'''
    with serving(tmp_path, script_packages, script) as server:
        assert server.score(1).json() is False


def test_a_stream_has_its_request(tmp_path: Path, script_packages: Path) -> None:
    script = """
from azureml.contrib.services.aml_request import rawhttp
from flask import Response, request, stream_with_context
def init(): pass
def parts():
    for _ in range(3):
        yield request.args["a"]
@rawhttp
def run(given):
    return Response(stream_with_context(parts()))
"""
    with serving(tmp_path, script_packages, script) as server:
        assert server.request("GET", "/score?a=" + json.dumps(7)).body == b"777"
