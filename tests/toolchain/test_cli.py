"""What the verbs ask for, before any part is looked at."""

from typing import Any

import pytest

from components.stack_file import StackFile
from toolchain import cli, setup
from toolchain.layout import PROJECT
from toolchain.setup import SetupError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is asked for; nothing is found."""
    seen: list[dict[str, Any]] = []

    def ensure(machine: object, console: object, **options: Any) -> None:
        seen.append(options)
        raise SetupError

    monkeypatch.setattr(setup, "ensure", ensure)
    return seen


@pytest.mark.parametrize("verb", ["up", "preview", "secrets"])
def test_a_stack_without_a_file_is_not_made(
    verb: str, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([verb, "--stack", "stagin"], {}) == 2
    printed = capsys.readouterr().out
    assert "error: there is no stack 'stagin', as there is no stacks/Pulumi.stagin.yaml" in printed
    assert "there are dev, prod, staging. Did you mean 'staging'?" in printed
    assert asked == []


@pytest.mark.parametrize(
    ("verb", "deploying", "asking"),
    [("up", True, True), ("preview", True, True), ("secrets", False, False), ("down", False, True)],
)
def test_a_verb_on_a_stack_asks_for_what_it_needs(
    verb: str, deploying: bool, asking: bool, asked: list[dict[str, Any]]
) -> None:
    assert cli.main([verb, "--stack", "prod"], {}) == 1
    (given,) = asked
    assert (given["stack"], given["deploying"], given["asking"]) == (StackFile(PROJECT, "prod"), deploying, asking)


def test_a_stack_without_a_file_can_be_taken_down(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["down", "--stack", "gone"], {}) == 1
    assert asked


def test_what_is_made_for_all_stacks_is_for_none(asked: list[dict[str, Any]]) -> None:
    assert cli.main([], {}) == 1
    assert asked[0]["stack"] is None
