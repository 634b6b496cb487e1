from __future__ import annotations

from pathlib import Path

import pytest

from components.package_indexes import PackageIndexes
from components.problems import Problem
from components.requirement_lines import logical_lines, read_file, read_line


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("# only this\n\n", []),
        ("a\nb\n", [(1, "a"), (2, "b")]),
        ("a\r\nb", [(1, "a"), (2, "b")]),
        ("a # why\nb#c\n", [(1, "a"), (2, "b#c")]),
        ("a \\\n  --hash=x \\\n  --hash=y\nb\n", [(1, "a   --hash=x   --hash=y"), (4, "b")]),
        ("a \\", [(1, "a")]),
        ("u @ https://h/f.whl#sha256=0\n", [(1, "u @ https://h/f.whl#sha256=0")]),
    ],
)
def test_logical_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert list(logical_lines(text)) == lines


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("numpy", "numpy"),
        ("Numpy[x] >= 1, < 2 ; python_version < '4'", 'Numpy[x]<2,>=1; python_version < "4"'),
        ("own @ https://host/own-1.0-py3-none-any.whl", "own @ https://host/own-1.0-py3-none-any.whl"),
    ],
)
def test_requirements(text: str, requirement: str) -> None:
    (line,) = read_line(text, "here", Path())
    assert str(line.requirement) == requirement


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("--index-url https://h/simple", PackageIndexes("https://h/simple")),
        ("--index-url=https://h/simple", PackageIndexes("https://h/simple")),
        ("-i https://h/simple", PackageIndexes("https://h/simple")),
        ("--extra-index-url 'https://h/simple'", PackageIndexes(extra=("https://h/simple",))),
        ("--find-links https://h/wheels", PackageIndexes(links=("https://h/wheels",))),
        ("-f wheels", PackageIndexes(links=("/project/wheels",))),
        ("--find-links ../wheels", PackageIndexes(links=("/project/../wheels",))),
    ],
)
def test_indexes(text: str, indexes: PackageIndexes) -> None:
    (line,) = read_line(text, "here", Path("/project"))
    assert line.indexes == indexes


@pytest.mark.parametrize("text", ["--require-hashes", "--prefer-binary", "--only-binary :all:", "--only-binary=numpy"])
def test_options_that_are_met_anyway(text: str) -> None:
    assert list(read_line(text, "here", Path())) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--pre", r"here: the option '--pre' is not supported. Allowed are -r"),
        ("--no-binary :all:", r"the option '--no-binary' is not supported"),
        ("--trusted-host=host", r"the option '--trusted-host' is not supported"),
        ("-r", r"the option '-r' is not supported"),
        ("-e .", r"'-e \.' is a folder.*--find-links"),
        ("--editable=git+https://h/r", r"is a folder, repository or file"),
        ("git+https://host/repository", r"is a folder, repository or file"),
        ("own @ git+https://host/repository", r"is a folder, repository or file"),
        ("own @ file:///wheels/own-1.0-py3-none-any.whl", r"is a folder, repository or file"),
        ("./own", r"'\./own' is a folder"),
        ("own-1.0-py3-none-any.whl", r"is a folder, repository or file"),
        ("numpy=1.26", r"here: 'numpy=1.26' is no requirement"),
        ("numpy --hash=md5:00", r"'md5:00' is no hash"),
        ("numpy --config-settings x=y", r"only --hash is supported"),
    ],
)
def test_bad_lines(text: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        list(read_line(text, "here", Path()))


def test_logins_in_urls_are_not_repeated() -> None:
    with pytest.raises(Problem) as raised:
        list(read_line("own @ https://user:secret@host/own-1.0-py3-none-any.whl", "here", Path()))
    assert "secret" not in str(raised.value)
    assert "host/own-1.0" in str(raised.value)


def test_nested_files_are_relative_to_the_one_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "top.txt").write_text("-r sub/more.txt\n-c sub/limits.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("-r most.txt\n--find-links wheels\n")
    (tmp_path / "sub" / "most.txt").write_text("numpy\n")
    (tmp_path / "sub" / "limits.txt").write_text("numpy<3\n")
    lines = list(read_file(tmp_path / "top.txt"))
    assert [(str(line.requirement), line.is_constraint) for line in lines if line.requirement] == [
        ("numpy", False),
        ("numpy<3", True),
    ]
    assert [line.indexes.links for line in lines if line.indexes.links] == [(str(tmp_path / "sub" / "wheels"),)]


def test_files_that_name_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(Problem, match=r"a\.txt' names itself"):
        list(read_file(tmp_path / "a.txt"))


def test_one_file_may_be_named_twice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n-r b.txt\n")
    (tmp_path / "b.txt").write_text("numpy\n")
    assert len(list(read_file(tmp_path / "a.txt"))) == 2
