"""The table of cases against the server as a process."""

from __future__ import annotations

import re

import pytest

from .cases import ANY, CASES, Case
from .conftest import Start
from .process import Answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(serving: Start, case: Case) -> None:
    server = serving(case.script)
    answer = server.request(*case.request, case.send, case.with_headers)
    check(case, answer)


def check(case: Case, answer: Answer) -> None:
    assert (answer.status, answer.body) == (case.status, answer.body)
    if isinstance(case.body, bytes):
        assert answer.body == case.body
    elif case.body is not ANY:
        assert answer.json() == case.body
    for name, expected in case.headers.items():
        given = answer.header(name)
        if isinstance(expected, re.Pattern):
            assert given is not None
            assert expected.fullmatch(given), given
        else:
            assert given == expected, name


def test_repeated_headers_come_from_commas(serving: Start) -> None:
    answer = serving("raw").request("GET", "/score?do=json")
    assert [value for name, value in answer.headers if name == "x-mine"] == ["one", "two"]


def test_no_answer_shows_a_traceback(serving: Start) -> None:
    answer = serving("plain").score({"do": "raise"})
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert serving("plain").log.wait_for("ValueError: secret detail")
