import os
from pathlib import Path

import pytest

from toolchain.docker_provider.dockerignore import ignored, parse, read_patterns, walk


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("junk", "junk", True),
        ("junk", "junk/a", True),
        ("junk", "a/junk", False),
        ("/junk/", "junk", True),
        ("./junk", "junk", True),
        ("**/junk", "junk", True),
        ("**/junk", "a/b/junk", True),
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "a/a.pyc", False),
        ("**/*.pyc", "a/b/a.pyc", True),
        ("*/temp*", "a/temporary", True),
        ("*/temp*", "a/b/temporary", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a-c].txt", "b.txt", False),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("# junk\n\n", "# junk", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("*\n!keep\nkeep/secret", "keep/secret", True),
        ("docs/**\n!docs/a.md", "docs/a.md", False),
        ("docs/**\n!docs/a.md", "docs/b.md", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        (".", "x", False),
    ],
)
def test_docker_rules(patterns, path, expected):
    assert ignored(parse(patterns), path) is expected


def lay(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_walk_lists_files_in_order_and_brings_back_exceptions(tmp_path):
    lay(tmp_path, "b/keep/x", "b/junk", "a", "b.txt", "z/only")
    os.symlink("a", tmp_path / "link")
    assert [path for path, _ in walk(tmp_path, parse("b\n!b/keep\nz"))] == ["a", "b/keep/x", "b.txt", "link"]


def test_a_dockerfiles_own_ignore_file_comes_first(tmp_path):
    lay(tmp_path, "Dockerfile")
    (tmp_path / ".dockerignore").write_text("everywhere\n")
    assert [p.text for p in read_patterns(tmp_path, tmp_path / "Dockerfile")] == ["everywhere"]
    (tmp_path / "Dockerfile.dockerignore").write_text("here\n")
    assert [p.text for p in read_patterns(tmp_path, tmp_path / "Dockerfile")] == ["here"]
    assert read_patterns(tmp_path / "none", tmp_path / "other") == []
