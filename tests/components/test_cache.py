from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from components.cache import cache_folder, exclusive
from components.problems import Problem


def test_folder(tmp_path: Path) -> None:
    xdg = {"XDG_CACHE_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path)}
    assert cache_folder(xdg, "layers") == tmp_path / "xdg" / "model-webservice" / "layers"
    assert cache_folder({"HOME": str(tmp_path)}, "layers") == tmp_path / ".cache" / "model-webservice" / "layers"
    relative = {"XDG_CACHE_HOME": "cache", "HOME": str(tmp_path)}
    assert cache_folder(relative, "layers") == tmp_path / ".cache" / "model-webservice" / "layers"
    assert (tmp_path / "xdg" / "model-webservice" / "layers").is_dir()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="Set XDG_CACHE_HOME"):
        cache_folder({"XDG_CACHE_HOME": str(tmp_path / "file")}, "layers")


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []
    start = Barrier(4)

    def enter(number: int) -> None:
        start.wait()
        for _ in range(50):
            with exclusive(tmp_path / "x.lock"):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    assert most == [1] * 200


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from components.cache import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('in', flush=True); sys.stdin.readline(); print('out', flush=True)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with ThreadPoolExecutor(1) as pool:

            def enter() -> str:
                with exclusive(tmp_path / "x.lock"):
                    return "here"

            waiting = pool.submit(enter)
            assert not waiting.done()
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "out\n"
            assert waiting.result(timeout=30) == "here"
