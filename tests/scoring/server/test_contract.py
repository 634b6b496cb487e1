"""The table of cases, put to this project's server as a process and in a container, and to Azure ML's."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest

from .cases import CASES
from .cases.apps import APPS, FAILED_STARTS, FailedStart
from .cases.case import Case, Expected
from .kinds import CONTAINER, KINDS, OURS, REFERENCE, Kinds
from .process import Answer, Server

WITHOUT_REFERENCE = {"imports"}
"""Azure ML's server comes without the SDK that the script imports from, nor does it find a nested script's siblings."""


def every(cases: Any) -> list[Any]:
    """Each case for each kind of server."""
    return [
        pytest.param(kind, case.app, case, id=f"{kind}-{getattr(case, 'name', case.app)}")
        for kind in KINDS
        for case in cases
        if kind != REFERENCE or case.app not in WITHOUT_REFERENCE
    ]


@pytest.mark.parametrize(("kind", "app", "case"), every(CASES))
def test_case(kinds: Kinds, kind: str, app: str, case: Case) -> None:
    server = kinds.start(kind, app)
    expected = case.expected_of_reference if kind == REFERENCE else case.expected
    before = len(server.log.lines)
    try:
        answer = server.request(*case.request, case.send, case.with_headers)
    except OSError:
        assert expected.status == 0, server.log.text
        return
    check(expected, answer)
    for pattern in expected.log:
        assert server.log.wait_until(lambda lines, pattern=pattern: any_line(pattern, lines[before:]), 10), pattern
    for pattern in expected.no_log:
        assert not any_line(pattern, server.log.lines[before:])


@pytest.mark.parametrize("case", [case for case in CASES if case.differs], ids=lambda case: case.name)
def test_a_difference_is_one(case: Case) -> None:
    assert case.differs is not None
    assert case.differs.why
    differing = case.expected_of_reference
    assert (differing.status, repr(differing.body), differing.headers) != (case.status, repr(case.body), case.headers)


def check(expected: Expected, answer: Answer) -> None:
    assert (answer.status, answer.body) == (expected.status, answer.body)
    if isinstance(expected.body, bytes):
        assert answer.body == expected.body
    elif repr(expected.body) != "ANY":
        assert expected.body == answer.json()
    for name, value in expected.headers.items():
        given = [found for key, found in answer.headers if key == name]
        if isinstance(value, re.Pattern):
            assert given, name
            assert value.fullmatch(given[0]), (name, given)
        else:
            wanted = [] if value is None else [value] if isinstance(value, str) else list(value)
            assert given == wanted, name


def any_line(pattern: str, lines: list[str]) -> bool:
    return any(re.search(pattern, line) for line in lines)


# Why a script cannot be served is the same in a container; that its log and exit status come out is shown by one.
STARTS = [start for start in every(FAILED_STARTS) if start.values[0] != CONTAINER or start.values[1] == "failing"]


@pytest.mark.parametrize(("kind", "app", "start"), STARTS)
def test_a_failed_start(kinds: Kinds, kind: str, app: str, start: FailedStart) -> None:
    server = kinds.start(kind, app)
    assert server.process.wait(30) == 3
    server.log.join()
    patterns = start.reference if kind == REFERENCE and start.reference else start.log
    assert [pattern for pattern in patterns if not any_line(pattern, server.log.lines)] == [], server.log.text


@pytest.mark.parametrize(("kind", "app"), [(kind, "plain") for kind in KINDS])
def test_log_lines_are_in_utc(kinds: Kinds, kind: str, app: str) -> None:
    server = kinds.start(kind, app)
    (line, *_) = [line for line in server.log.lines if "User" in line and "init" in line]
    written = datetime.datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    assert abs(datetime.datetime.now(datetime.timezone.utc) - written) < datetime.timedelta(hours=1)
    assert re.match(r".{19},\d{3} [DIWE] \[\d+\] azmlinfsrv\S* - ", line)


@pytest.mark.parametrize(("kind", "app"), [(kind, "flags") for kind in KINDS])
def test_the_health_port_answers_too(kinds: Kinds, kind: str, app: str) -> None:
    server = kinds.start(kind, app)
    health = Server(server.process, server.health_port, server.log, server.root)
    assert health.request("GET", "/").body == b"Healthy"


@pytest.mark.parametrize(("kind", "app"), [(kind, "flags") for kind in (OURS, CONTAINER)])
def test_nothing_is_sent_to_application_insights(kinds: Kinds, kind: str, app: str) -> None:
    assert "not-to-be-sent" in APPS[app].arguments
    assert "not-to-be-sent" not in kinds.start(kind, app).log.text


@pytest.mark.parametrize(("kind", "app"), [(REFERENCE, "imports")])
def test_the_reference_comes_without_the_sdk(kinds: Kinds, kind: str, app: str) -> None:
    server = kinds.start(kind, app)
    assert server.process.wait(30) == 3
    assert "ModuleNotFoundError: No module named" in server.log.text


@pytest.mark.parametrize(("kind", "app"), [(kind, "plain") for kind in (OURS, CONTAINER)])
def test_no_answer_shows_a_traceback(kinds: Kinds, kind: str, app: str) -> None:
    server = kinds.start(kind, app)
    answer = server.score({"do": "raise"})
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert server.log.wait_for("ValueError: secret detail")
