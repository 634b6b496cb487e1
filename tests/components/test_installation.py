from __future__ import annotations

import dataclasses
import marshal
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components import installation
from components.dependencies import inline
from components.installation import build_dependencies_layer, find_python, tidy
from components.layers import file_digest
from components.lock import Lock, lock, parse_lock
from components.problems import Problem
from tests.components.local_index import LocalIndex, make_wheel, serving, uv_environ

PYTHON = "{}.{}".format(*sys.version_info)
TAG = sys.implementation.cache_tag

# Sets and strings used in several places are what bytecode depends on the process for.
MODULE = """\
KINDS = {"linear", "tree", "forest", "boosting", "bayes"}

def kind_of(model):
    return model in {"linear", "tree", "forest"} and model in KINDS

class Model:
    '''linear'''
    def fit(self, data, kind="linear"):
        return [kind for _ in data if kind in ("linear", "tree")]
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LocalIndex]:
    wheels = tmp_path / "wheels"
    files = {
        "alpha/__init__.py": MODULE,
        "alpha/old.py": "print 'of another Python'\n",
        "alpha/data.bin": "x" * 1000,
        "alpha/py.typed": "",
        "alpha/__init__.pyi": "KINDS: set[str]\n",
        "alpha/tests/__init__.py": "",
        "alpha/tests/test_alpha.py": "def test(): pass\n",
        "alpha/stray.pyc": "",
    }
    make_wheel(wheels, "alpha", "1.0", files=files, requires=["beta"], scripts={"alpha": "alpha:Model"})
    make_wheel(wheels, "beta", "1.0", files={"beta.py": "from alpha import kind_of\n"})
    with serving(wheels) as served:
        yield served


@pytest.fixture
def environ(tmp_path: Path, index: LocalIndex) -> dict[str, str]:
    return uv_environ(tmp_path, index.url)


def locked(folder: Path, environ: Mapping[str, str], packages: Sequence[str] = ("alpha",)) -> Lock:
    return lock(
        inline(packages),
        [],
        lock_file=folder / "my.lock",
        python_version=PYTHON,
        platform="linux/amd64",
        environ=environ,
    )


def build(made: Lock, target: Path, environ: Mapping[str, str], **changes: Any) -> str:
    given = {"target": target, "python_version": PYTHON, "platform": "linux/amd64", "environ": environ}
    return build_dependencies_layer(made, **{**given, **changes})


def contents(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def test_layer(tmp_path: Path, environ: Mapping[str, str]) -> None:
    target = tmp_path / "stage" / "dependencies.tar"
    digest = build(locked(tmp_path, environ), target, environ)
    assert digest == file_digest(target)
    assert sorted(contents(target)) == [
        f"opt/dependencies/__pycache__/beta.{TAG}.pyc",
        *(f"opt/dependencies/alpha-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "REQUESTED")),
        *(f"opt/dependencies/alpha-1.0.dist-info/{name}" for name in ("WHEEL", "entry_points.txt")),
        "opt/dependencies/alpha/__init__.py",
        f"opt/dependencies/alpha/__pycache__/__init__.{TAG}.pyc",
        *(f"opt/dependencies/alpha/{name}" for name in ("data.bin", "old.py", "py.typed")),
        *(f"opt/dependencies/beta-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "REQUESTED")),
        "opt/dependencies/beta-1.0.dist-info/WHEEL",
        "opt/dependencies/beta.py",
    ]


def test_lists_of_files_are_true(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ), tmp_path / "x.tar", environ)
    found = contents(tmp_path / "x.tar")
    lines = found["opt/dependencies/alpha-1.0.dist-info/RECORD"].decode().splitlines()
    names = {f"opt/dependencies/{line.split(',')[0]}" for line in lines}
    assert names <= set(found)
    assert {name for name in found if "alpha" in name and not name.endswith(".pyc")} == names


def test_layer_is_the_same_wherever_it_is_made(tmp_path: Path, environ: Mapping[str, str]) -> None:
    made = locked(tmp_path, environ)
    other = {**environ, "XDG_CACHE_HOME": str(tmp_path / "another" / "longer" / "cache"), "PYTHONHASHSEED": "77"}
    digests = [build(made, tmp_path / "1.tar", environ), build(made, tmp_path / "2.tar", other)]
    assert digests[0] == digests[1]
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert (tmp_path / "1.tar").stat().st_ino != (tmp_path / "2.tar").stat().st_ino


def test_nothing_tells_of_this_machine(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ), tmp_path / "x.tar", environ)
    layer = (tmp_path / "x.tar").read_bytes()
    for text in (str(tmp_path), sys.prefix, sys.base_prefix, "127.0.0.1"):
        assert text.encode() not in layer


def test_bytecode(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ), tmp_path / "x.tar", environ)
    data = contents(tmp_path / "x.tar")[f"opt/dependencies/alpha/__pycache__/__init__.{TAG}.pyc"]
    assert int.from_bytes(data[4:8], "little") == 0b01  # PEP 552: by hash, unchecked
    assert marshal.loads(data[16:]).co_filename == "/opt/dependencies/alpha/__init__.py"


def test_the_packages_work(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ), tmp_path / "x.tar", environ, prefix="srv/packages")
    subprocess.run(["tar", "-xf", str(tmp_path / "x.tar"), "-C", str(tmp_path)], check=True)
    code = "import beta; from importlib.metadata import version; print(beta.kind_of('tree'), version('alpha'))"
    done = subprocess.run(
        [sys.executable, "-S", "-v", "-c", code],
        env={"PYTHONPATH": str(tmp_path / "srv" / "packages"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True 1.0\n"
    assert "matches " + str(tmp_path / "srv" / "packages" / "beta.py") in done.stderr  # the bytecode was used


def test_a_layer_that_is_there_takes_neither_uv_nor_index(
    tmp_path: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = locked(tmp_path, environ)
    digest = build(made, tmp_path / "1.tar", environ)
    inode = (tmp_path / "1.tar").stat().st_ino
    monkeypatch.setattr(installation, "find_uv", lambda _: pytest.fail("uv is not needed"))
    assert build(made, tmp_path / "1.tar", environ) == digest
    assert build(made, tmp_path / "deeper" / "2.tar", environ) == digest
    assert (tmp_path / "1.tar").stat().st_ino == (tmp_path / "deeper" / "2.tar").stat().st_ino == inode


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"other")])
def test_a_target_that_is_not_the_layer_is_replaced(tmp_path: Path, environ: Mapping[str, str], damage: Any) -> None:
    made = locked(tmp_path, environ)
    digest = build(made, tmp_path / "1.tar", environ)
    other = tmp_path / "2.tar"
    other.write_bytes((tmp_path / "1.tar").read_bytes())
    damage(other)
    assert build(made, other, environ) == digest
    assert file_digest(other) == digest
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == ["1.tar", "2.tar"]


def test_a_damaged_cache_is_made_anew(tmp_path: Path, environ: Mapping[str, str]) -> None:
    made = locked(tmp_path, environ)
    digest = build(made, tmp_path / "1.tar", environ)
    (kept,) = (tmp_path / "cache" / "model-webservice" / "layers").glob("*.tar")
    kept.unlink()
    kept.write_bytes(b"cut")
    assert build(made, tmp_path / "1.tar", environ) == digest
    assert file_digest(kept) == file_digest(tmp_path / "1.tar") == digest


def test_where_links_cannot_be_made_the_layer_is_copied(
    tmp_path: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    made = locked(tmp_path, environ)
    digest = build(made, tmp_path / "1.tar", environ)
    assert file_digest(tmp_path / "1.tar") == digest
    os.utime(tmp_path / "1.tar", (1, 1))
    build(made, tmp_path / "1.tar", environ)
    assert (tmp_path / "1.tar").stat().st_mtime == 1


def test_several_at_once_install_once(tmp_path: Path, environ: Mapping[str, str], index: LocalIndex) -> None:
    made = locked(tmp_path, environ)
    index.requests.clear()
    with ThreadPoolExecutor(3) as pool:
        digests = list(pool.map(lambda n: build(made, tmp_path / f"{n}.tar", environ), range(3)))
    assert len(set(digests)) == 1
    assert sum(path.startswith("/files/alpha") for path in index.requests) == 1
    assert len(list((tmp_path / "cache" / "model-webservice" / "layers").glob("*.tar"))) == 1


def test_without_an_interpreter_there_is_no_bytecode_and_it_is_said(
    tmp_path: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = locked(tmp_path, environ)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(installation, "find_python", lambda *_: None)
        without = build(made, tmp_path / "x.tar", environ, report=said.append)
    assert not [name for name in contents(tmp_path / "x.tar") if name.endswith(".pyc")]
    assert len(said) == 1
    assert f"no Python {PYTHON} on this machine" in said[0]
    assert build(made, tmp_path / "x.tar", environ, report=said.append) != without
    assert len(said) == 1


def test_a_file_that_is_not_what_was_locked(tmp_path: Path, environ: Mapping[str, str]) -> None:
    made = locked(tmp_path, environ)
    forged = parse_lock(made.text.replace("--hash=sha256:", "--hash=sha256:00").replace("sha256:00", "sha256:", 0))
    forged = dataclasses.replace(forged, text=made.text.replace(made.text.split("sha256:")[1][:8], "00000000"))
    with pytest.raises(Problem, match="cannot install the locked packages"):
        build(forged, tmp_path / "x.tar", environ)
    assert not (tmp_path / "x.tar").exists()
    left = [path for path in (tmp_path / "cache" / "model-webservice" / "layers").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_an_index_that_does_not_answer(tmp_path: Path, environ: Mapping[str, str]) -> None:
    made = locked(tmp_path, environ)
    apart = {
        **environ,
        "UV_CACHE_DIR": str(tmp_path / "uv2"),
        "UV_DEFAULT_INDEX": "http://me:secret@127.0.0.1:9/simple",
    }
    with pytest.raises(Problem, match="Check the network") as raised:
        build(made, tmp_path / "x.tar", apart)
    assert "secret" not in str(raised.value)


def test_no_packages(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ, []), tmp_path / "x.tar", environ)
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert archive.getnames() == ["opt", "opt/dependencies"]


def test_layers_that_nobody_asked_for_in_a_while_go(tmp_path: Path, environ: Mapping[str, str]) -> None:
    build(locked(tmp_path, environ, ["beta"]), tmp_path / "1.tar", environ)
    folder = tmp_path / "cache" / "model-webservice" / "layers"
    (record,) = folder.glob("*.json")
    os.utime(record, (1, 1))
    (tmp_path / "my.lock").unlink()
    build(locked(tmp_path, environ, ["alpha"]), tmp_path / "2.tar", environ)
    assert not record.exists()
    assert len(list(folder.glob("*.tar"))) == 1
    assert (tmp_path / "1.tar").exists()


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        (["p/tests/test_a.py", "p/m.py"], ["p/m.py"]),
        (["p/test/conftest.py", "p/test/data.csv", "p/m.py"], ["p/m.py"]),
        (["tests/test_a.py", "m.py"], ["m.py"]),
        (["p/test/client.py"], ["p/test/client.py"]),
        (["p/testing/test_a.py"], ["p/testing/test_a.py"]),
        (["p/m.pyi", "p/py.typed", "p/__pycache__/m.pyc"], ["p/py.typed"]),
        (["p-1.dist-info/direct_url.json", "p-1.dist-info/WHEEL", ".lock"], ["p-1.dist-info/WHEEL"]),
        (["p/a.c", "p/b.h", "p/lib.so"], ["p/a.c", "p/b.h", "p/lib.so"]),
        (["p/a.pyx", "p/a.cpp", "p/a.h", "p/a.pxd", "p/include/a.h", "a.so"], ["a.so", "p/a.pxd", "p/include/a.h"]),
    ],
)
def test_tidy(tmp_path: Path, files: Sequence[str], kept: Sequence[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    tidy(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == kept


@pytest.mark.parametrize(
    ("script", "stays"),
    [
        ("#!/home/me/.venv/bin/python\nimport p\n", False),
        ("#!/home/me/.venv/bin/python3.11\nimport p\n", False),
        ("#!/bin/sh\n'''exec' '/home/a very long path/python' \"$0\" \"$@\"\n' '''\n", False),
        ("#!/usr/bin/env bash\necho\n", True),
        ("#!/usr/bin/env python3\nimport p\n", True),
        ("#!/bin/sh\necho python\n", True),
        ("\x7fELF", True),
    ],
)
def test_scripts(tmp_path: Path, script: str, stays: bool) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "p").write_text(script)
    tidy(tmp_path)
    assert (tmp_path / "bin" / "p").exists() == stays


def test_find_python() -> None:
    assert find_python(PYTHON, {}) == Path(sys.executable)
    assert find_python("3.99", dict(os.environ)) is None
