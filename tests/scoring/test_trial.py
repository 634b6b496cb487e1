"""Services that read no digits: what is sent to them, and what is told of it."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from components.stack_file import StackFile
from scoring.endpoint import Endpoint
from scoring.trial import Trial, reads_digits, show, try_out
from tests.scoring.conftest import Serve

URI = "http://127.0.0.1:32768/score"
SAMPLE = {"data": [[0.1, 0.2]]}
Reply = Callable[[str, str, bytes], tuple[int, str]]


def description(example: object, form: str = "2") -> str:
    schemas = {"ServiceInput": {"type": "object", "example": example}}
    return json.dumps({"definitions": schemas} if form == "2" else {"components": {"schemas": schemas}})


def own(described: tuple[int, str], answer: tuple[int, str] = (200, "[1]"), state: int = 200) -> Reply:
    """A service of the user's: its description, and what it answers to its sample."""

    def reply(method: str, path: str, body: bytes) -> tuple[int, str]:
        if method == "POST":
            return answer
        return described if path == "/swagger.json" else (state if path == "/" else 404, "Healthy")

    return reply


@pytest.mark.parametrize("form", ["2", "3"])
def test_a_service_gets_the_sample_of_its_description(serve: Serve, form: str) -> None:
    service = serve(own((200, description(SAMPLE, form))))
    tried = try_out(Endpoint("churn", service.scoring_uri))
    assert (tried.state, tried.sent, tried.answer, tried.error) == ("Healthy", True, [1], "")
    assert [json.loads(body) for method, _, body in service.requests if method == "POST"] == [SAMPLE]


@pytest.mark.parametrize(
    "described",
    [
        (200, description({})),
        (200, json.dumps({"definitions": {"ServiceInput": {}}})),
        (200, "{}"),
        (200, "[]"),
        (200, "<html>"),
        (404, '{"message": "no such version"}'),
    ],
)
def test_a_service_without_a_sample_is_healthy_and_gets_none(serve: Serve, described: tuple[int, str]) -> None:
    service = serve(own(described))
    tried = try_out(Endpoint("churn", service.scoring_uri))
    assert (tried.state, tried.sent, tried.error) == ("Healthy", False, "")
    assert [method for method, _, _ in service.requests if method == "POST"] == []


def test_an_answer_that_is_no_json_is_an_answer(serve: Serve) -> None:
    service = serve(own((200, description(SAMPLE)), (200, "<xml/>")))
    tried = try_out(Endpoint("churn", service.scoring_uri))
    assert (tried.sent, tried.answer, tried.error) == (True, "(not JSON)", "")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (own((200, description(SAMPLE)), (500, '{"message": "boom"}')), "POST {uri} answered 500: boom"),
        (
            own((200, description(SAMPLE)), state=502),
            "churn does not say that it is healthy at {uri}: python -m scoring",
        ),
    ],
)
def test_a_service_that_fails_is_told(serve: Serve, reply: Reply, said: str) -> None:
    service = serve(reply)
    assert said.format(uri=service.scoring_uri) in try_out(Endpoint("churn", service.scoring_uri)).error


def test_the_description_is_asked_for_with_the_keys(serve: Serve) -> None:
    service = serve(own((401, "")))
    assert Endpoint("churn", service.scoring_uri, keys=("old", "new")).sample_input() is None
    assert [headers["Authorization"] for headers in service.headers] == ["Bearer old", "Bearer new"]


def tell(*trials: Trial, width: int = 200) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width, highlight=False, markup=False), trials)
    return out.getvalue()


def test_each_service_is_told_with_its_answer() -> None:
    service = Endpoint("churn", URI, style="registeredModel", image="churn:0123456789ab")
    page = "http://127.0.0.1:32768/ui"
    shown = tell(
        Trial(service, "Healthy", sent=True, answer={"stays": True}, test_page=page),
        Trial(replace(service, name="other"), "Healthy"),
        Trial(replace(service, name="third"), "Unhealthy", error="third: gone"),
    )
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if URI in line}
    cells = ["registeredModel", "churn:0123456789ab", "Healthy", URI]
    assert lines["churn"] == ["churn", *cells, '{"stays":', "true}"]
    assert lines["other"] == ["other", *cells, "-"]
    assert lines["third"][3:] == ["Unhealthy", URI, "failed"]
    assert f"test page: {page} (churn)\n" in shown
    assert "churn answers its own sample.\n" in shown
    assert "other is healthy; it has no sample to send: put a sample_input.json beside its script.\n" in shown
    assert "third " not in shown.split(URI)[-1]


@pytest.mark.parametrize("width", [40, 200])
def test_a_name_and_a_uri_are_whole_and_a_long_answer_is_cut(width: int) -> None:
    shown = tell(Trial(Endpoint("c" * 32, URI), "Healthy", sent=True, answer=["x" * 1000]), width=width)
    (line,) = (line for line in shown.splitlines() if URI in line)
    assert line.split()[0] == "c" * 32
    assert 50 < shown.count("x") < 70


PROJECT = """\
config:
  executionScript: {default: scoring/mnist/score.py}
  services:
    default:
      - {name: one, style: modelFile, executionScript: scoring/mnist/score_file.py}
      - {name: two, style: image}
"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"one": True, "two": True, "gone": False}),
        ({"executionScript": "./scoring/mnist/score.py"}, {"one": True, "two": True}),
        ({"executionScript": "own/score.py"}, {"one": True, "two": False}),
        ({"imageReference": "there:1"}, {"one": True, "two": False}),
        (
            {"services": [{"name": "one", "style": "modelFile", "executionScript": "own.py"}, {"name": "two"}]},
            {"one": False, "two": True},
        ),
    ],
)
def test_digits_are_for_services_of_the_samples_scripts(
    tmp_path: Path, settings: dict[str, object], expected: dict[str, bool]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": settings}))
    stack = StackFile(tmp_path, "dev")
    assert {name: reads_digits(stack, name) for name in expected} == expected
