"""The entry script: what counts as init and run, and what is said of a script that lacks them."""

from pathlib import Path

import pytest

from components.entry_script import check_entry_script
from components.problems import Problem


def script(folder: Path, text: str | bytes) -> Path:
    path = folder / "score.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "def init(): ...\ndef run(data): ...",
        "async def init(): ...\nasync def run(data): ...",
        "init = run = print",
        "def init(): ...\ndef run_batch(inputs): ...",
        "init, run = print, print",
        "(init, (run, rest)) = a",
        "init: object = print\nclass run: ...",
        "from predictor import init, run",
        "from predictor import start as init, predict as run",
        "from predictor import *",
        "if True:\n    def init(): ...\nelse:\n    init = None\ndef run(data): ...",
        "try:\n    from fast import run\nexcept ImportError:\n    from slow import run\ndef init(): ...",
        "try:\n    pass\nexcept ImportError:\n    from slow import run, init",
        "with open('x') as f:\n    def init(): ...\ndef run(data): ...",
        "@decorated\ndef init(): ...\n@decorated\ndef run(data): ...",
        b"# -*- coding: latin-1 -*-\n# \xe4\ndef init(): ...\ndef run(data): ...",
    ],
)
def test_a_script_that_binds_both_names_is_taken(tmp_path: Path, text: str | bytes) -> None:
    path = script(tmp_path, text)
    assert check_entry_script(path) == path


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", r"init\(\) and run\(\)"),
        ("def init(): ...", r"define run\(\)"),
        ("def run(data): ...", r"define init\(\)"),
        ("class Model:\n    def init(self): ...\n    def run(self, data): ...", r"init\(\) and run\(\)"),
        ("def main():\n    def init(): ...\n    def run(data): ...", r"init\(\) and run\(\)"),
        ("init.run = 1\ndef init(): ...", r"define run\(\)"),
        ("x[run] = 1\ndef init(): ...", r"define run\(\)"),
        ("def init(): ...\ndef Run(data): ...", r"define run\(\)"),
        ("import init.run\n", r"define run\(\)"),
        ("'''def init(): ...\ndef run(data): ...'''", r"init\(\) and run\(\)"),
    ],
)
def test_a_script_without_one_of_them_is_refused(tmp_path: Path, text: str, missing: str) -> None:
    path = script(tmp_path, text)
    with pytest.raises(Problem, match=missing) as error:
        check_entry_script(path)
    assert repr(str(path)) in str(error.value)
    assert "init(), called once, and run(data), called for each request" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def init(:\n", r"is not Python: line 1: "),
        ("def init(): ...\ndef run(data):\n", r"is not Python: line 2: "),
        (b"\xff\xfe", r"is not Python:"),
        (b"def init(): ...\0", r"is not Python:.*null byte"),
        ("print 'hello'\n", r"is not Python: line 1: "),
    ],
)
def test_a_script_that_is_no_python_is_refused_with_the_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = script(tmp_path, text)
    with pytest.raises(Problem, match=said) as error:
        check_entry_script(path)
    assert f"Give a Python 3 file that defines init() and run(data): python -m py_compile {path}" in str(error.value)


def test_a_missing_script_is_refused_with_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "score_v2.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(Problem, match=r"score.py' does not exist: give a path.*Scripts beside it: score_v2.py\.$"):
        check_entry_script(tmp_path / "score.py")


def test_a_missing_script_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"does not exist: give a path to a Python file\.$"):
        check_entry_script(tmp_path / "nowhere" / "score.py")


def test_a_folder_is_no_script(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"does not exist"):
        check_entry_script(tmp_path)
