"""The messages are uv's own, as recorded from its runs."""

from __future__ import annotations

import dataclasses

import pytest

from components.resolution import Question, explain, reasons

QUESTION = Question(
    requirements=("scikit-learn==1.7.2", "numpy<1.20", "orjson<3.9", "own"),
    server_requirements=("orjson>=3.10", "uvloop"),
    origins={"numpy": "myenv.yml, line 7", "own": "conda package own in myenv.yml, line 8"},
    python_version="3.11",
    platform="linux/amd64",
)

MISSING = """\
error: No solution found when resolving dependencies
  cause: Because {} was not found in the package registry and you require {}, we can conclude that your \
requirements are \
unsatisfiable.
"""
CLASH = """\
error: No solution found when resolving dependencies
  cause: Because you require orjson<3.9 and orjson>=3.10, we can conclude that your requirements are unsatisfiable.
"""
INDIRECT_CLASH = """\
error: No solution found when resolving dependencies
  cause: Because scikit-learn==1.7.2 depends on numpy>=1.22.0 and you require scikit-learn==1.7.2, we can conclude \
that \
you require numpy>=1.22.0.
         And because you require numpy<1.20, we can conclude that your requirements are unsatisfiable.
"""
NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of orjson==99.1 and you require orjson==99.1, we can conclude that your \
requirements \
are unsatisfiable.
"""
SOURCE_ONLY = """\
error: No solution found when resolving dependencies
  cause: Because all versions of docopt have no usable wheels and you require docopt, we can conclude that your \
requirements are unsatisfiable.

hint: Wheels are required for `docopt` because building from source is disabled for all packages (i.e., with \
`--no-build`)
"""
OTHER_SYSTEM = """\
error: No solution found when resolving dependencies
  cause: Because only pywin32>=303 is available and pywin32>=303 has no wheels with a matching platform tag (e.g., \
`manylinux_2_36_x86_64`), we can conclude that your requirements are unsatisfiable.

hint: Wheels are available for `pywin32` (v312) on the following platforms: `win32`, `win_amd64`, `win_arm64`
"""
OTHER_PYTHON = """\
error: No solution found when resolving dependencies
  cause: Because numpy==9.0 requires Python >=3.12 and you require numpy==9.0, we can conclude that your \
requirements are unsatisfiable.
"""
OTHER_PYTHON_OF_SEVERAL = """\
error: No solution found when resolving dependencies
  cause: Because the requested Python version (>=3.10) does not satisfy Python>=3.11 and all of:
             ipython>=9.5.0,<=9.10.1
             ipython>=9.13.0
         depend on Python>=3.11, we can conclude that all of:
             ipython>=9.5.0,<=9.10.1
             ipython>=9.13.0
          cannot be used.
"""
NO_FOLDER = """\
error: Failed to read `--find-links` directory: /none
  cause: No such file or directory (os error 2)
"""
UNREACHABLE = """\
error: Failed to fetch: http://user:secret@127.0.0.1:9/simple/six/
  cause: error sending request for url (http://127.0.0.1:9/simple/six/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
REFUSED = """\
error: Failed to fetch: https://host/simple/six/
  cause: HTTP status client error (403 Forbidden) for url (https://host/simple/six/)
"""
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because six was not found in the cache and you require six, we can conclude that your requirements are \
unsatisfiable.

hint: Packages were unavailable because the network was disabled. When the network is disabled, registry packages \
may only \
be read from the cache.
"""


@pytest.mark.parametrize(
    ("stderr", "without_server", "said"),
    [
        (MISSING.format("own", "own"), False, ["'own' (conda package own in myenv.yml, line 8)", "'pip:' part"]),
        (
            MISSING.format("nunpy", "nunpy"),
            False,
            ["there is no package 'nunpy' on", "Correct the name"],
        ),
        (CLASH, True, ["(orjson<3.9) clash with those of the scoring server (orjson>=3.10)", "Loosen"]),
        (INDIRECT_CLASH, False, ["correct scikit-learn==1.7.2, numpy<1.20", "depends on numpy>=1.22.0"]),
        (NO_VERSION, False, ["no versions meet", "there is no version of orjson==99.1"]),
        (SOURCE_ONLY, False, ["'docopt' has no wheel for Python 3.11 on linux/amd64", "--find-links"]),
        (OTHER_SYSTEM, False, ["'pywin32' has no wheel for Python 3.11 on linux/amd64"]),
        (OTHER_PYTHON, False, ["'numpy' (myenv.yml, line 7) needs Python >=3.12, the image has 3.11", "baseImage"]),
        (OTHER_PYTHON_OF_SEVERAL, False, ["'ipython' needs Python >=3.11"]),
        (NO_FOLDER, False, ["cannot read the folder /none that --find-links names"]),
        (UNREACHABLE, False, ["cannot reach the package index", "HTTPS_PROXY", "Connection refused"]),
        (OFFLINE, False, ["cannot reach the package index"]),
        (REFUSED, False, ["refused to answer", "403 Forbidden"]),
        ("something new\n", False, ["no versions meet", "something new"]),
    ],
)
def test_explain(stderr: str, without_server: bool, said: list[str]) -> None:
    text = str(explain(stderr, QUESTION, possible_without_server=without_server))
    assert [part for part in said if part not in text] == []
    assert "secret" not in text
    assert "hint:" not in text
    assert "--no-build" not in text


def test_a_message_without_known_names_lists_all_that_was_asked() -> None:
    question = dataclasses.replace(QUESTION, requirements=("a==1", "b==2"))
    assert "correct a==1, b==2." in str(explain("odd\n", question, possible_without_server=False))


def test_long_reasons_are_cut() -> None:
    lines = reasons("error: No solution found when resolving dependencies\n" + "  cause: x\n" * 40).splitlines()
    assert lines == ["x"] * 8 + ["..."]
