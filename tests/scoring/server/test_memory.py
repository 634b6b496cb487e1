"""Who has to go when the memory is used up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scoring_server import memory

from .process import running, write_script

SCRIPT = """
import os, pathlib
def init(): pass
def run(data):
    if data == "die":
        os._exit(1)
    return {"pid": os.getpid(), "template": os.getppid()}
"""


def score_of(pid: int | str) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_go_first_and_nobody_else(tmp_path: Path, workers: int) -> None:
    own = score_of("self")
    environ = {"WORKER_COUNT": str(workers)}
    with running(write_script(tmp_path, SCRIPT), "score.py", environ, workers=workers) as server:
        for turn in range(2):
            found = server.request("POST", "/score", "x").json()
            assert score_of(found["pid"]) == min(1000, own + 500)
            assert score_of(server.process.pid) == score_of(found["template"]) == own
            assert server.request("POST", "/score", "die").status == 500
            assert server.log.wait_for("ready for serving traffic", workers + turn + 1)


@pytest.mark.parametrize(
    ("before", "after"), [("0\n", "500"), ("-300\n", "200"), ("700\n", "1000"), ("1000\n", "1000")]
)
def test_it_is_only_raised(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "file").write_text(before)
    memory.go_first(tmp_path / "file")
    assert (tmp_path / "file").read_text() == after


def test_where_it_is_not_allowed_all_is_as_before(tmp_path: Path) -> None:
    memory.go_first(tmp_path / "none")
    memory.go_first(tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("nonsense")
    memory.go_first(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "nonsense"
