"""Servers for the tests, one per script."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FUZZED
from tests.peer_venv import peer_python

from .fuzzing import Tried
from .kinds import Kinds, built_image
from .process import Server, app_root, running

Start = Callable[[str], Server]
REFERENCE_LOCK = Path(__file__).parent / "reference.lock"


@pytest.fixture(scope="session")
def script_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages that scripts of the tests import, in a folder of their own as in the image."""
    folder = tmp_path_factory.mktemp("packages")
    packages = ["flask>=3", "inference-schema>=1.8", "pandas>=2"]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder), *packages]
    subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory, script_packages: Path) -> Iterator[Start]:
    """Gives the running server of a test script by name; ``slowjson`` is ``plain`` without the faster json."""
    servers: dict[str, Server] = {}
    with ExitStack() as stack:

        def start(name: str) -> Server:
            if name not in servers:
                script = "plain.py" if name == "slowjson" else f"{name}.py"
                root = app_root(tmp_path_factory.mktemp(name), script, "sibling.py")
                needs_packages = name in ("schema", "nested", "flaskraw")
                environ = {"PYTHONPATH": str(script_packages)} if needs_packages else {}
                # Packages of users may warn as they like.
                environ["PYTHONWARNINGS"] = "ignore" if needs_packages else ""
                environ["SCORING_FAST_JSON"] = str(name != "slowjson")
                servers[name] = stack.enter_context(running(root, script, environ))
            return servers[name]

        yield start


@pytest.fixture(scope="session")
def kinds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, script_packages: Path, base_image: str
) -> Iterator[Kinds]:
    """The servers that the contract is put to; those that this run needs are started at the same time."""
    wanted = {(item.callspec.params["kind"], item.callspec.params["app"]) for item in contract_items(request.session)}
    folder = tmp_path_factory.mktemp("contract")
    with ExitStack() as stack:
        image = (
            stack.enter_context(built_image(folder, base_image)) if any("container" in pair for pair in wanted) else ""
        )
        reference = peer_python(REFERENCE_LOCK) if any("reference" in pair for pair in wanted) else Path()
        found = Kinds(folder, script_packages, reference, image)
        stack.callback(found.close)
        found.start_all(wanted)
        yield found


def contract_items(session: pytest.Session) -> list[Any]:
    return [item for item in session.items if "app" in getattr(getattr(item, "callspec", None), "params", {})]


@pytest.fixture(scope="session")
def plain(serving: Start) -> Server:
    return serving("plain")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits."""
    environ = {
        "SCORING_MAX_BODY_BYTES": "1000",
        "SCORING_MAX_BUFFERED_BYTES": "2500",
        "SCORING_MAX_QUEUE": "2",
        "SCORING_READ_TIMEOUT": "1",
        "SCORING_KEEP_ALIVE": "1",
        "SCORING_MAX_CONNECTIONS": "50",
    }
    root = app_root(tmp_path_factory.mktemp("small"), "plain.py", "sibling.py")
    with running(root, "plain.py", environ) as server:
        yield server


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Iterator[Tried]:
    """Counts the cases of a fuzzing test, for the summary at the end."""
    counting = Tried()
    yield counting
    record_property(FUZZED, counting.count)
