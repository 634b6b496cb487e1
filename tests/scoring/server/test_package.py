"""The server as a package of its own, installed where nothing else is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .process import SERVER

IMPORTS = """
import sys
import scoring_server.cli, scoring_server.server, scoring_server.worker, azureml.core.model
foreign = {"pulumi", "docker", "numpy", "yaml", "components"} & set(sys.modules)
assert not foreign, foreign
"""


def test_it_installs_and_starts_alone(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    source = shutil.copytree(SERVER, tmp_path / "source")  # the build leaves files beside it
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), str(source)], check=True, timeout=300)
    listed = subprocess.run(
        [*uv, "pip", "list", "--format", "freeze", "--python", str(python)], check=True, capture_output=True, text=True
    )
    installed = {line.partition("==")[0] for line in listed.stdout.split()}
    assert {"scoring-server", "uvloop", "httptools", "werkzeug"} <= installed
    assert not {name for name in installed if name.startswith("pulumi")} | installed & {"docker", "numpy", "pyyaml"}
    helped = subprocess.run(
        [venv / "bin" / "azmlinfsrv", "--help"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "--entry_script" in helped.stdout
    subprocess.run([python, "-c", IMPORTS], check=True, cwd=tmp_path)
