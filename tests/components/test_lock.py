from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components import lock as lock_module
from components.dependencies import Dependencies, inline, read_conda_file, read_requirements_file
from components.lock import Lock, find_uv, lock, parse_lock, uv_platform
from components.package_indexes import PackageIndexes
from components.problems import Problem
from tests.components.local_index import LocalIndex, make_wheel, serving, uv_environ


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LocalIndex]:
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "alpha", "1.0", requires=["beta>=1"])
    make_wheel(wheels, "alpha", "1.1", requires=["beta>=1"])
    make_wheel(wheels, "beta", "1.0")
    make_wheel(wheels, "beta", "2.0")
    make_wheel(wheels, "gamma", "1.0", requires=["beta<2"])
    make_wheel(wheels, "windows", "1.0", tag="cp311-cp311-win_amd64")
    make_wheel(wheels, "native", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    make_wheel(wheels, "future", "1.0", requires_python=">=3.99")
    (wheels / "source-1.0.tar.gz").write_bytes(b"")
    with serving(wheels) as served:
        yield served


class Locker:
    """Locks beside one file of a temporary folder, from a local index."""

    def __init__(self, folder: Path, index: LocalIndex) -> None:
        self.file = folder / "project" / "myenv.lock"
        self.index = index
        self.environ = uv_environ(folder, index.url)

    def __call__(self, needs: Dependencies | Sequence[str], server: Sequence[str] = (), **changes: Any) -> Lock:
        dependencies = needs if isinstance(needs, Dependencies) else inline(needs)
        given = {"lock_file": self.file, "python_version": "3.11", "platform": "linux/amd64", "environ": self.environ}
        return lock(dependencies, server, **{**given, **changes})


@pytest.fixture
def locker(tmp_path: Path, index: LocalIndex) -> Locker:
    return Locker(tmp_path, index)


def test_lock(locker: Locker, tmp_path: Path) -> None:
    made = locker(["alpha"], ["beta<2"])
    assert made.versions == {"alpha": "1.1", "beta": "1.0"}
    assert made.digest == hashlib.sha256(made.text.encode()).hexdigest()
    wheel = hashlib.sha256((tmp_path / "wheels" / "beta-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"beta==1.0 \\\n    --hash=sha256:{wheel}\n" in made.text
    text = locker.file.read_text()
    assert text.startswith("# Packages of the scoring image, locked. Commit this file")
    assert str(tmp_path) not in text
    assert "127.0.0.1" not in text
    assert "://" not in text
    assert sorted(path.name for path in locker.file.parent.iterdir()) == ["myenv.lock"]


def test_a_lock_that_fits_is_used_without_the_index(locker: Locker, monkeypatch: pytest.MonkeyPatch) -> None:
    made = locker(["alpha"])
    locker.index.requests.clear()
    os.utime(locker.file, (1, 1))
    monkeypatch.setattr(lock_module, "find_uv", lambda _: pytest.fail("uv is not needed"))
    assert locker(["alpha"]) == made
    assert locker.index.requests == []
    assert locker.file.stat().st_mtime == 1


def test_the_order_of_requirements_does_not_matter(locker: Locker) -> None:
    made = locker(["alpha", "gamma"])
    locker.index.status = 500
    assert locker(["gamma", "alpha"]) == made


@pytest.mark.parametrize(
    "change",
    [
        {"needs": ["alpha==1.0"]},
        {"server": ["gamma"]},
        {"platform": "linux/arm64"},
        {"python_version": "3.12"},
        {"needs": Dependencies(("alpha",), constraints=("alpha<1.1",))},
    ],
)
def test_another_question_is_resolved_again(locker: Locker, change: Mapping[str, Any]) -> None:
    locker(["alpha"])
    before = locker.file.read_text()
    locker(**{"needs": ["alpha"], **change})
    assert locker.file.read_text() != before


def test_versions_stay_when_something_is_added(locker: Locker, tmp_path: Path) -> None:
    locker(["alpha"])
    make_wheel(tmp_path / "wheels", "alpha", "1.2")
    make_wheel(tmp_path / "wheels", "delta", "1.0")
    assert locker(["alpha", "delta"]).versions == {"alpha": "1.1", "beta": "2.0", "delta": "1.0"}
    locker.file.unlink()
    fresh = {**locker.environ, "UV_CACHE_DIR": str(tmp_path / "uv2")}
    assert locker(["alpha", "delta"], environ=fresh).versions == {"alpha": "1.2", "delta": "1.0"}


def test_the_text_is_the_same_wherever_it_is_made(locker: Locker, tmp_path: Path) -> None:
    one = locker(["alpha", "gamma"])
    first = locker.file.read_bytes()
    other = locker(["alpha", "gamma"], lock_file=tmp_path / "elsewhere" / "deeper" / "x.lock")
    assert other == one
    assert (tmp_path / "elsewhere" / "deeper" / "x.lock").read_bytes() == first


def test_comments_and_line_ends_do_not_count(locker: Locker) -> None:
    made = locker(["alpha"])
    locker.file.write_bytes(b"# note of mine\r\n" + locker.file.read_bytes().replace(b"\n", b"\r\n"))
    assert locker(["alpha"]) == made


def test_a_lock_that_lost_a_package_is_made_again(locker: Locker) -> None:
    made = locker(["alpha", "gamma"])
    text = locker.file.read_text()
    locker.file.write_text(re.sub(r"^gamma==(.*\n)( .*\n)*", "", text, flags=re.MULTILINE))
    assert "gamma" not in locker.file.read_text()
    assert locker(["alpha", "gamma"]) == made
    assert locker.file.read_text() == text


def test_what_is_limited_to_other_systems_is_not_missed(locker: Locker) -> None:
    made = locker(["beta", "windows; sys_platform == 'win32'"])
    assert made.versions == {"beta": "2.0"}
    locker.index.status = 500
    assert locker(["beta", "windows; sys_platform == 'win32'"]) == made


def test_nothing_to_lock(locker: Locker) -> None:
    made = locker([])
    assert (made.text, dict(made.versions)) == ("", {})
    assert locker([]) == made


def test_several_at_once(locker: Locker) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: locker(["alpha", "gamma"]), range(4)))
    assert made == [made[0]] * 4
    assert locker.index.requests.count("/simple/alpha/") == 1


@pytest.mark.parametrize(
    ("needs", "server", "said"),
    [
        (["missing"], [], r"there is no package 'missing' \(packages, number 1\) on the package index"),
        (["beta<2"], ["beta>=2"], r"\(beta<2\) clash with those of the scoring server \(beta>=2\)"),
        (["gamma"], ["beta>=2"], r"\(gamma\) clash with those of the scoring server \(beta>=2\)"),
        (["gamma", "beta>=2"], ["alpha"], r"correct gamma, beta>=2"),
        (["beta==9"], [], r"correct beta==9\.\n.*no version of beta==9"),
        (["windows"], [], r"'windows' \(packages, number 1\) has no wheel for Python 3\.11 on linux/amd64"),
        (["source"], [], r"'source' \(packages, number 1\) has no wheel for Python 3\.11 on linux/amd64"),
        (["future"], [], r"'future' .*needs Python >=3\.99, the image has 3\.11"),
    ],
)
def test_what_cannot_be_locked(locker: Locker, needs: list[str], server: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        locker(needs, server)
    assert not locker.file.exists()


def test_wheels_are_those_of_the_platform(locker: Locker) -> None:
    assert locker(["native"]).versions == {"native": "1.0"}
    with pytest.raises(Problem, match=r"'native' .*has no wheel for Python 3\.11 on linux/arm64"):
        locker(["native"], platform="linux/arm64")
    with pytest.raises(Problem, match=r"'native' .*has no wheel for Python 3\.12 on linux/amd64"):
        locker(["native"], python_version="3.12")


def test_a_conda_package_that_the_index_lacks(locker: Locker, tmp_path: Path) -> None:
    (tmp_path / "myenv.yml").write_text("dependencies:\n- alpha\n- conda-thing=1\n")
    with pytest.raises(
        Problem, match=r"'conda-thing' \(conda package conda-thing in myenv\.yml, line 3\).*'pip:' part"
    ):
        locker(read_conda_file(tmp_path / "myenv.yml"))


def test_an_index_that_does_not_answer(locker: Locker) -> None:
    environ = {**locker.environ, "UV_DEFAULT_INDEX": "http://me:secret@127.0.0.1:9/simple"}
    with pytest.raises(Problem, match="cannot reach the package index") as raised:
        locker(["alpha"], environ=environ)
    assert "secret" not in str(raised.value)


def test_an_index_that_refuses(locker: Locker) -> None:
    locker.index.status = 403
    with pytest.raises(Problem, match="package index"):
        locker(["alpha"])


def test_the_users_hashes_limit_the_lock(locker: Locker, tmp_path: Path) -> None:
    wheel = hashlib.sha256((tmp_path / "wheels" / "beta-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    make_wheel(tmp_path / "wheels", "beta", "1.0", tag="py2.py3-none-any")
    (tmp_path / "r.txt").write_text(f"beta==1.0 --hash=sha256:{wheel}\nalpha==1.0\n")
    text = locker(read_requirements_file(tmp_path / "r.txt")).text
    assert re.findall(r"--hash=(\S+)", text.partition("beta==")[2]) == [f"sha256:{wheel}"]
    (tmp_path / "r.txt").write_text(f"beta==2.0 --hash=sha256:{wheel}\n")
    with pytest.raises(Problem, match=r"none of the hashes given for beta belongs to a wheel of beta==2\.0"):
        locker(read_requirements_file(tmp_path / "r.txt"))


def test_find_links_of_a_file(locker: Locker, tmp_path: Path) -> None:
    make_wheel(tmp_path / "private", "own", "1.0", requires=["beta"])
    (tmp_path / "r.txt").write_text("--find-links private\nown==1.0\n")
    made = locker(read_requirements_file(tmp_path / "r.txt"))
    assert made.versions == {"beta": "2.0", "own": "1.0"}
    assert str(tmp_path) not in locker.file.read_text()


def test_find_links_to_no_folder(locker: Locker, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("--find-links none\nbeta\n")
    with pytest.raises(Problem, match=r"cannot read the folder .*/none that --find-links names"):
        locker(read_requirements_file(tmp_path / "r.txt"))


def test_an_index_of_a_file_and_its_login(locker: Locker, tmp_path: Path) -> None:
    url = locker.index.url.replace("http://", "http://me:${TOKEN}@")
    (tmp_path / "r.txt").write_text(f"--index-url {url}\nbeta\n")
    environ = {**locker.environ, "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "TOKEN": "secret"}
    needs = read_requirements_file(tmp_path / "r.txt")
    assert locker(needs, environ=environ).versions == {"beta": "2.0"}
    assert "secret" not in locker.file.read_text()


def test_logins_reach_no_command_line(locker: Locker, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []
    run = lock_module.subprocess.run

    def recording(command: Sequence[str], **options: Any) -> Any:
        commands.append(command)
        return run(command, **options)

    monkeypatch.setattr(lock_module.subprocess, "run", recording)
    url = locker.index.url.replace("http://", "http://me:secret@")
    locker(dataclasses.replace(inline(["beta"]), indexes=PackageIndexes(url)))
    assert len(commands) == 1
    assert "secret" not in json.dumps(commands)


@pytest.mark.parametrize("content", [b"\xff", None])
def test_a_lock_that_is_none(locker: Locker, content: bytes | None) -> None:
    locker.file.parent.mkdir()
    if content is None:
        locker.file.mkdir()
    else:
        locker.file.write_bytes(content)
    with pytest.raises(Problem, match=r"cannot read the lock '.*myenv\.lock' .*Delete it"):
        locker(["beta"])


def test_a_folder_that_cannot_be_written(locker: Locker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot read the lock|cannot write the lock"):
        locker(["beta"], lock_file=tmp_path / "file" / "myenv.lock")


def test_parse_lock() -> None:
    text = (
        "# title\nAlpha.Beta==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "own @ https://host/own-2.1-py3-none-any.whl \\\n    --hash=sha256:22\n    # via alpha\n"
    )
    parsed = parse_lock(text)
    assert parsed.versions == {"alpha-beta": "1.0", "own": "2.1"}
    assert "#" not in parsed.text


@pytest.mark.parametrize("platform", ["", "linux/riscv64", "windows/amd64"])
def test_platforms_without_wheels(platform: str) -> None:
    with pytest.raises(Problem, match="give one of linux/amd64 and linux/arm64"):
        uv_platform(platform)


def test_find_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_uv({}).parent == Path(sys.executable).parent
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_uv({}).is_file()  # the package's own
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(Problem, match="there is no uv"):
        find_uv({"PATH": str(tmp_path)})
    (tmp_path / "uv").write_text("")
    (tmp_path / "uv").chmod(0o755)
    assert find_uv({"PATH": str(tmp_path)}) == tmp_path / "uv"


def test_the_package_index_itself(tmp_path: Path) -> None:
    made = lock(
        inline(["six==1.17.0", "iniconfig==2.0.0"]),
        [],
        lock_file=tmp_path / "x.lock",
        python_version="3.11",
        platform="linux/arm64",
        environ={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert made.versions == {"iniconfig": "2.0.0", "six": "1.17.0"}
    assert "--hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274" in made.text
