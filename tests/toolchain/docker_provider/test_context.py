import hashlib
import os
import stat

import pytest

from toolchain.docker_provider import context as module
from toolchain.docker_provider.context import context_digest, file_digest, go_mode


@pytest.fixture
def context(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "f.txt").write_text("1")
    (tmp_path / "Dockerfile").chmod(0o644)
    (tmp_path / "f.txt").chmod(0o644)
    return tmp_path


def digest(context):
    return context_digest(str(context), str(context / "Dockerfile"))


def test_the_digest_is_the_vendors(context):
    dockerfile, file = hashlib.sha256(b"FROM scratch\n").digest(), hashlib.sha256(b"1").digest()
    parts = [
        b"Dockerfile" + b"----------" + dockerfile + b"\0",
        b"Dockerfile" + b"-rw-r--r--" + dockerfile + b"\0",
        b"f.txt" + b"-rw-r--r--" + file + b"\0",
    ]
    assert digest(context) == hashlib.sha256(b"".join(parts)).hexdigest()


def write(context):
    (context / "f.txt").write_text("2")


def chmod(context):
    (context / "f.txt").chmod(0o600)


def rename(context):
    (context / "f.txt").rename(context / "g.txt")


def link(context):
    os.symlink("f.txt", context / "link")


def broken_link(context):
    os.symlink("nowhere", context / "link")


@pytest.mark.parametrize("change", [write, chmod, rename, link, broken_link])
def test_what_ends_in_the_image_changes_the_digest(context, change):
    before = digest(context)
    change(context)
    assert digest(context) != before


def touch(context):
    os.utime(context / "f.txt", (1, 1))


def add_ignored(context):
    (context / "junk").write_text("x")


def add_folder(context):
    (context / "folder").mkdir()


@pytest.mark.parametrize("change", [touch, add_ignored, add_folder])
def test_what_does_not_leaves_it_alone(context, change):
    (context / ".dockerignore").write_text("junk\n")
    before = digest(context)
    change(context)
    assert digest(context) == before


def test_a_large_file_is_read_once(context, monkeypatch):
    path = str(context / "f.txt")
    first = file_digest(path)
    monkeypatch.setattr(module, "open", lambda *_, **__: pytest.fail("read again"), raising=False)
    assert file_digest(path) == first


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (stat.S_IFREG | 0o644, "-rw-r--r--"),
        (stat.S_IFREG | 0o755, "-rwxr-xr-x"),
        (stat.S_IFLNK | 0o777, "Lrwxrwxrwx"),
        (stat.S_IFREG | 0o4755, "urwxr-xr-x"),
        (stat.S_IFREG | 0o2755, "grwxr-xr-x"),
        (stat.S_IFSOCK | 0o600, "Srw-------"),
        (stat.S_IFCHR | 0o600, "Dcrw-------"),
    ],
)
def test_modes_are_written_as_go_does(mode, text):
    assert go_mode(mode) == text
