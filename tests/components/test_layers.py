from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import layers
from components.layers import content_digest, write_layer
from components.problems import Problem

NAMES = st.text("abcXYZ019._- é日", min_size=1, max_size=12).filter(lambda name: name.strip(".") != "")
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.tuples(st.binary(max_size=40), st.booleans()), min_size=1
)


def plant(root: Path, tree: Mapping[str, tuple[bytes, bool]], *, umask: int = 0o022, time: int = 1_000_000) -> Path:
    old = os.umask(umask)
    try:
        for name, (content, executable) in tree.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if executable:
                path.chmod(path.stat().st_mode | 0o100)
            os.utime(path, (time, time))
    finally:
        os.umask(old)
    return root


def is_possible(tree: Mapping[str, object]) -> bool:
    """Whether no path of the tree is both a file and a folder."""
    return not any(other.startswith(f"{name}/") for name in tree for other in tree)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive}


@settings(max_examples=40)
@given(TREES.filter(is_possible), st.sampled_from([0o077, 0o002]), st.integers(0, 2_000_000_000))
def test_only_paths_and_contents_count(tree: Mapping[str, tuple[bytes, bool]], umask: int, time: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = plant(folder / "one", tree)
        other = plant(folder / "deeper" / "other", dict(reversed(tree.items())), umask=umask, time=time)
        first = write_layer(folder / "1.tar", {"srv/files": one}, exclude=layers.keep_all)
        second = write_layer(folder / "2.tar", {"srv/files": other}, exclude=layers.keep_all)
        assert first == second == hashlib.sha256((folder / "1.tar").read_bytes()).hexdigest()
        assert (folder / "1.tar").read_bytes() == (folder / "2.tar").read_bytes()
        assert content_digest(one, exclude=layers.keep_all) == content_digest(other, exclude=layers.keep_all)
        with tarfile.open(folder / "1.tar") as archive:
            found = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
            assert {name: file.read() for name, file in found.items() if file} == {
                f"srv/files/{name}": content for name, (content, _) in tree.items()
            }


@settings(max_examples=60)
@given(TREES.filter(is_possible), TREES.filter(is_possible))
def test_different_trees_have_different_digests(
    one: Mapping[str, tuple[bytes, bool]], other: Mapping[str, tuple[bytes, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        digests = [
            content_digest(plant(Path(name) / number, tree), exclude=layers.keep_all)
            for number, tree in (("1", one), ("2", other))
        ]
        assert (digests[0] == digests[1]) == (dict(one) == dict(other))


def test_entries_are_settled(tmp_path: Path) -> None:
    plant(tmp_path / "app", {"score.py": (b"x", False), "bin/run": (b"#!", True)}, umask=0o077)
    (tmp_path / "app" / "empty").mkdir(mode=0o700)
    write_layer(tmp_path / "app.tar", {"var/app": tmp_path / "app"})
    found = members(tmp_path / "app.tar")
    assert list(found) == ["var", "var/app", "var/app/bin", "var/app/bin/run", "var/app/empty", "var/app/score.py"]
    assert {name: oct(member.mode) for name, member in found.items()} == {
        "var": "0o755",
        "var/app": "0o755",
        "var/app/bin": "0o755",
        "var/app/bin/run": "0o755",
        "var/app/empty": "0o755",
        "var/app/score.py": "0o644",
    }
    for member in found.values():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == layers.SETTLED_TIME


def test_several_sources_share_parents(tmp_path: Path) -> None:
    plant(tmp_path, {"a/one.py": (b"1", False), "two.py": (b"2", False)})
    write_layer(
        tmp_path / "x.tar", {"srv/a": tmp_path / "a", "srv/a/two.py": tmp_path / "two.py", "etc/t": tmp_path / "two.py"}
    )
    assert list(members(tmp_path / "x.tar")) == ["etc", "etc/t", "srv", "srv/a", "srv/a/one.py", "srv/a/two.py"]


def test_two_sources_of_one_path(tmp_path: Path) -> None:
    plant(tmp_path, {"a/one.py": (b"1", False), "one.py": (b"2", False)})
    with pytest.raises(Problem, match=r"would become /srv/one\.py in the image"):
        write_layer(tmp_path / "x.tar", {"srv": tmp_path / "a", "srv/one.py": tmp_path / "one.py"})


@pytest.mark.parametrize("place", ["/srv", "srv/../etc"])
def test_places_are_below_the_root(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="not a path in an image"):
        write_layer(tmp_path / "x.tar", {place: tmp_path})


def test_litter_is_left_out(tmp_path: Path) -> None:
    litter = ("__pycache__/m.cpython-311.pyc", ".git/HEAD", ".DS_Store", "old.pyc", "sub/.git/config")
    plant(tmp_path / "app", dict.fromkeys((*litter, "score.py", ".gitignore", "sub/git"), (b"", False)))
    write_layer(tmp_path / "x.tar", {"app": tmp_path / "app"})
    assert list(members(tmp_path / "x.tar")) == ["app", "app/.gitignore", "app/score.py", "app/sub", "app/sub/git"]
    plant(tmp_path / "clean", dict.fromkeys(("score.py", ".gitignore", "sub/git"), (b"", False)))
    assert content_digest(tmp_path / "app") == content_digest(tmp_path / "clean")


def test_what_to_exclude_is_asked_by_relative_path(tmp_path: Path) -> None:
    plant(tmp_path / "app", {"keep/data.bin": (b"", False), "drop/data.bin": (b"", False)})
    write_layer(tmp_path / "x.tar", {"app": tmp_path / "app"}, exclude=lambda path: str(path) == "drop")
    assert list(members(tmp_path / "x.tar")) == ["app", "app/keep", "app/keep/data.bin"]


def test_links_inside_are_kept(tmp_path: Path) -> None:
    plant(tmp_path / "app", {"lib/real.so.1": (b"so", False)})
    (tmp_path / "app" / "lib" / "real.so").symlink_to("real.so.1")
    (tmp_path / "app" / "current").symlink_to("lib")
    (tmp_path / "app" / "lib" / "up").symlink_to("../lib/real.so.1")
    write_layer(tmp_path / "x.tar", {"app": tmp_path / "app"})
    links = {name: member.linkname for name, member in members(tmp_path / "x.tar").items() if member.issym()}
    assert links == {"app/current": "lib", "app/lib/real.so": "real.so.1", "app/lib/up": "../lib/real.so.1"}


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("../secret", "outside of"),
        ("/etc/hostname", "outside of"),
        ("sub/../../secret", "outside of"),
        ("..", "outside of"),
        ("missing", "does not exist"),
    ],
)
@pytest.mark.parametrize("act", [content_digest, lambda path: write_layer(path.parent / "x.tar", {"app": path})])
def test_links_that_the_image_would_not_have(tmp_path: Path, link: str, said: str, act: object) -> None:
    plant(tmp_path, {"secret": (b"", False), "app/sub/file": (b"", False)})
    (tmp_path / "app" / "link").symlink_to(link)
    with pytest.raises(Problem, match=said):
        act(tmp_path / "app")  # type: ignore[operator]
    assert not (tmp_path / "x.tar").exists()


def test_special_files(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    os.mkfifo(tmp_path / "app" / "pipe")
    with pytest.raises(Problem, match="no image can hold it"):
        write_layer(tmp_path / "x.tar", {"app": tmp_path / "app"})


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(Problem, match="not UTF-8"):
        write_layer(tmp_path / "x.tar", {"app": tmp_path / "app"})


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"no file or folder '.*model\.pkl'"):
        write_layer(tmp_path / "x.tar", {"models/m": tmp_path / "model.pkl"})


def test_the_same_layer_is_left_untouched(tmp_path: Path) -> None:
    plant(tmp_path / "app", {"score.py": (b"1", False)})
    target = tmp_path / "new" / "app.tar"
    write_layer(target, {"app": tmp_path / "app"})
    os.utime(target, (1, 1))
    inode = target.stat().st_ino
    write_layer(target, {"app": tmp_path / "app"})
    assert (target.stat().st_mtime, target.stat().st_ino) == (1, inode)
    plant(tmp_path / "app", {"score.py": (b"2", False)})
    write_layer(target, {"app": tmp_path / "app"})
    assert target.stat().st_mtime > 1
    assert oct(target.stat().st_mode) == "0o100644"
    assert list(target.parent.iterdir()) == [target]


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "app", {"a.py": (b"1", False), "b.py": (b"2", False)})
    write_layer(tmp_path / "out" / "app.tar", {"app": tmp_path / "app"})
    before = (tmp_path / "out" / "app.tar").read_bytes()
    plant(tmp_path / "app", {"a.py": (b"changed", False)})

    def fail(*_: object) -> tarfile.TarInfo:
        raise OSError("disk full")

    monkeypatch.setattr(layers, "_header", fail)
    with pytest.raises(OSError, match="disk full"):
        write_layer(tmp_path / "out" / "app.tar", {"app": tmp_path / "app"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["app.tar"]
    assert (tmp_path / "out" / "app.tar").read_bytes() == before


def test_a_large_file(tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "model.bin").write_bytes(content)
    assert content_digest(tmp_path / "model.bin") == hashlib.sha256(content).hexdigest()
    write_layer(tmp_path / "x.tar", {"model.bin": tmp_path / "model.bin"})
    with tarfile.open(tmp_path / "x.tar") as archive:
        file = archive.extractfile("model.bin")
        assert file is not None
        assert file.read() == content


def test_digest_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no file or folder"):
        content_digest(tmp_path / "none")


@pytest.mark.parametrize("tree", [{}, {"sub/.DS_Store": (b"", False)}])
def test_digest_of_an_empty_folder(tmp_path: Path, tree: Mapping[str, tuple[bytes, bool]]) -> None:
    (tmp_path / "model").mkdir()
    plant(tmp_path / "model", tree)
    with pytest.raises(Problem, match="holds no files"):
        content_digest(tmp_path / "model")


def test_digest_of_a_tree_is_one_for_all_time(tmp_path: Path) -> None:
    # Versions of models are made of it: a change here gives every registered folder a new version.
    plant(tmp_path / "model", {"config.json": (b"{}", False), "weights/w.bin": (b"\0\1", False), "run": (b"#!", True)})
    assert content_digest(tmp_path / "model") == "955ec5054e3a73309326bcb486fb4a62462e0ec1321c8585285eb86a7c194265"
