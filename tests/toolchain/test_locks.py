"""Which locks are left behind, by what lies in the state's folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import locks

HERE, THERE = "here", "there"
ALIVE = {1, 2}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], []),
        ([(7, HERE)], [7]),
        ([(7, HERE), (8, HERE)], [7, 8]),
        ([(1, HERE)], []),
        ([(7, THERE)], []),
        ([(7, HERE), (1, HERE)], []),
        ([(7, HERE), (7, THERE)], []),
        ([("odd", HERE)], []),
    ],
)
def test_what_is_left_behind(held: list[tuple[object, str]], expected: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "a state" / ".pulumi/locks/organization/project/dev"
    folder.mkdir(parents=True)
    for number, (pid, host) in enumerate(held):
        (folder / f"{number}.json").write_text(json.dumps({"pid": pid, "hostname": host, "username": "u"}))
    environ = {"PULUMI_BACKEND_URL": (tmp_path / "a state").as_uri()}
    seen = locks.left_behind(environ, "project", "dev", host=HERE, alive=lambda pid: pid in ALIVE)
    assert seen == expected


def test_an_odd_file_may_be_a_lock_in_use(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/locks/organization/project/dev"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text("{")
    assert locks.left_behind({"PULUMI_BACKEND_URL": tmp_path.as_uri()}, "project", "dev") == []


@pytest.mark.parametrize("address", ["", "https://api.example.org", "s3://bucket"])
def test_other_states_are_left_alone(address: str) -> None:
    assert locks.left_behind({"PULUMI_BACKEND_URL": address}, "project", "dev") == []


def test_processes() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert locks.is_alive(os.getpid())
    assert not locks.is_alive(ended.pid)


def test_a_process_that_nobody_has_waited_for_is_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert not locks.is_alive(ended.pid)
    os.kill(ended.pid, 0)  # it is listed still
    ended.wait()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, []),
        ({"dev.json": "{}"}, []),
        ({"dev.json": "{}", "dev.json.attrs": "{}"}, []),
        ({"dev.json": "{}", "dev.json.attrs": ""}, ["dev.json.attrs"]),
        ({"dev.json.gz": "{}", "dev.json.gz.attrs": ""}, ["dev.json.gz.attrs"]),
        ({"dev.json": "{}", "dev.json.attrs": "{}", "dev.json.bak.attrs": ""}, ["dev.json.bak.attrs"]),
        ({"dev.json": "", "prod.json.attrs": ""}, []),
    ],
)  # fmt: skip
def test_attributes_that_were_cut_short(files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/stacks/project"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    environ = {"PULUMI_BACKEND_URL": f"{tmp_path.as_uri()}?metadata=skip"}
    assert [path.name for path in locks.cut_short(environ, "project", "dev")] == expected
    assert locks.cut_short({"PULUMI_BACKEND_URL": "s3://bucket"}, "project", "dev") == []
