"""`python -m scoring service`: arguments, what is printed where, exit codes."""

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from components.problems import Problem
from scoring.__main__ import main
from scoring.service_command import assignment, listing, merged, progress
from scoring.webservice import Webservice
from tests.scoring.conftest import Pulumi, Serve

URI = "http://127.0.0.1:5001/score"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cpu_cores=0.5", (["cpu_cores"], 0.5)),
        ("auth_enabled=true", (["auth_enabled"], True)),
        ("description=two words = one text", (["description"], "two words = one text")),
        ("tags=", (["tags"], None)),
        ('tags={"a": "b"}', (["tags"], {"a": "b"})),
        ("tags.team=vision", (["tags", "team"], "vision")),
        ("tags.version=1.0", (["tags", "version"], "1.0")),
        ("tags.a.b=c", (["tags", "a.b"], "c")),
        ("tags.team=", (["tags", "team"], None)),
    ],
)
def test_assignments(text: str, read: object) -> None:
    assert assignment(text) == read


@pytest.mark.parametrize("text", ["", "cpu_cores", "=1"])
def test_other_texts_assign_nothing(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not KEY=VALUE"):
        assignment(text)


def test_parts_of_a_setting_come_together() -> None:
    given = [assignment(text) for text in ("tags.a=1", "cpu_cores=1", "tags.b=")]
    assert merged(given) == {"tags": {"a": "1", "b": None}, "cpu_cores": 1}
    with pytest.raises(Problem, match=r"^tags is given as a whole and by its parts"):
        merged([assignment("tags="), assignment("tags.a=1")])


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (True, "true"), ([{"a": 1}, "b"], "a=1\nb"), ({"a": "x", "b": 0.5}, "a=x  b=0.5"), ([], "")],
)
def test_values_are_listed(value: object, text: str) -> None:
    assert listing(value) == text


def test_dots_are_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    progress("@ updating....")
    progress("creating")
    assert capsys.readouterr().err == "creating\n"


@pytest.fixture
def stack(pulumi: Pulumi) -> Pulumi:
    """A stack with two services without containers, the first of which asks for keys."""
    services = {"a": {"scoringUri": URI, "style": "image", "image": "i:1"}, "b": {"scoringUri": URI}}
    pulumi.exports({"services": services, "keys": {"a": {"primary": "k1", "secondary": "k2"}}})
    return pulumi


def answer(stack: Pulumi, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["service", *arguments], stack.environ) == code
    return capsys.readouterr()


def test_services_are_listed(stack: Pulumi, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split() for line in answer(stack, capsys, "list").out.splitlines()]
    assert lines[0] == ["service", "style", "state", "image", "scoring", "URI"]
    assert lines[2] == ["a", "image", "Failed", "i:1", URI]
    assert [one["name"] for one in json.loads(answer(stack, capsys, "list", "--json").out)] == ["a", "b"]
    stack.exports({})
    assert answer(stack, capsys, "list").out == "Stack dev has no services.\n"
    assert json.loads(answer(stack, capsys, "list", "--json").out) == []


def test_names_and_uris_are_whole_on_a_narrow_terminal(
    stack: Pulumi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name, uri = "a-service-of-thirty-two-letters-", "https://mnist.example.com:8443/score"
    stack.exports({"services": {name: {"scoringUri": uri, "style": "registeredModel", "image": "image:0123456789ab"}}})
    assert main(["service", "list"], {**stack.environ, "COLUMNS": "80"}) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert name in line
    assert uri in line


def test_a_service_is_shown(stack: Pulumi, capsys: pytest.CaptureFixture[str]) -> None:
    shown = answer(stack, capsys, "show", "a").out
    assert ["scoringUri", URI] in [line.split() for line in shown.splitlines()]
    known = json.loads(answer(stack, capsys, "show", "a", "--json").out)
    assert (known["state"], known["scoringUri"], known["containers"]) == ("Failed", URI, [])


def test_keys_are_shown_when_they_are_asked_for(stack: Pulumi, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(stack, capsys, "keys", "a").out == "primary    k1\nsecondary  k2\n"
    assert json.loads(answer(stack, capsys, "keys", "a", "--json").out) == {"primary": "k1", "secondary": "k2"}
    assert answer(stack, capsys, "keys", "b", code=1).err.startswith("error: b asks for no keys: set authEnabled")


def test_a_request_comes_from_a_file_or_standard_input(
    serve: Serve, pulumi: Pulumi, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(lambda method, path, body: (200, body.decode()))
    pulumi.exports({"services": {"a": {"scoringUri": service.scoring_uri}}})
    (tmp_path / "body.json").write_text('["é"]')
    assert answer(pulumi, capsys, "run", "a", str(tmp_path / "body.json")).out == '["é"]\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[1]")))
    assert answer(pulumi, capsys, "run", "a").out == "[1]\n"
    said = answer(pulumi, capsys, "run", "a", str(tmp_path / "absent"), code=1)
    assert said.err == f"error: {tmp_path}/absent cannot be read: No such file or directory.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "c"], "error: stack dev has no service 'c'; it has a, b.\n"),
        (["run", "a"], f"error: a: POST {URI} could not be reached"),
        (["wait", "a", "--timeout", "1"], "error: a has no container after 1 s. Run `pulumi up`.\n"),
        (["update", "a", "cpu_core=1"], "error: unknown setting of a service 'cpu_core'. Did you mean 'cpu_cores'?"),
        (["update", "a", "tags.x=1", "tags="], "error: tags is given as a whole and by its parts: give either.\n"),
        (["delete", "a"], "error: a is not deleted without being asked for twice: add --yes.\n"),
    ],
)
def test_what_cannot_be_done_exits_1(
    stack: Pulumi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    printed = answer(stack, capsys, *arguments, code=1)
    assert printed.out == ""
    assert printed.err.startswith(said)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["call"],
        ["show"],
        ["update", "a"],
        ["update", "a", "cpu_cores"],
        ["logs", "a", "-n", "0"],
        ["regen-key"],
        ["regen-key", "a", "third"],
        ["wait", "a", "--timeout", "soon"],
    ],
)
def test_wrong_arguments_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["service", *arguments])
    assert raised.value.code == 2
    assert "usage: python -m scoring service" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["list", "show", "run", "logs", "keys", "regen-key", "update", "wait", "delete"])
def test_help_tells_the_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["service", verb, "--help"])
    assert raised.value.code == 0
    assert "exit codes:\n  0  done\n  1  it could not be done" in capsys.readouterr().out


class Terminal(io.StringIO):
    """Standard input of somebody who answers."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("reply", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_service_is_deleted_when_that_is_confirmed(
    stack: Pulumi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reply: str, code: int
) -> None:
    deleted: list[str] = []

    def delete(service: Webservice, **display: Any) -> None:
        deleted.append(service.name)

    monkeypatch.setattr(Webservice, "delete", delete)
    monkeypatch.setattr(sys, "stdin", Terminal(reply))
    printed = answer(stack, capsys, "delete", "a", code=code)
    assert printed.err.startswith("Delete a from stack dev? [y/N]")
    assert (deleted, printed.out) == ((["a"], "a is deleted.\n") if code == 0 else ([], ""))


def test_ctrl_c_ends_without_a_traceback(
    stack: Pulumi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(service: Webservice, num_lines: int) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Webservice, "get_logs", interrupted)
    assert answer(stack, capsys, "logs", "a", code=130) == ("", "")
