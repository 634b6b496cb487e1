"""A stack by the Automation API, with a CLI that answers what the test says; with the real one in tests/e2e."""

from pathlib import Path

import pytest

from scoring.stack import Stack, StackError, reason
from tests.scoring.conftest import Pulumi

SERVICES = {"a": {"scoringUri": "http://127.0.0.1:5001/score"}}


def test_the_stack_is_the_named_one_or_the_selected_one(pulumi: Pulumi) -> None:
    pulumi.exports({"services": SERVICES})
    assert Stack("qa", environ=pulumi.environ).deployed().services == SERVICES
    assert Stack(environ=pulumi.environ).deployed().services == SERVICES
    assert pulumi.calls == [
        "stack export --show-secrets --stack qa",
        "stack --show-name",
        "stack export --show-secrets --stack dev",
    ]


@pytest.mark.parametrize(
    ("name", "fails", "said"),
    [
        ("qa", "*export*", "^stack qa cannot be read: no luck; run `make up`.*, or `source .toolchain/env`"),
        ("", "*--show-name*", "^there is no selected stack: name one with --stack: no luck; run `make up`"),
    ],
)
def test_a_stack_that_cannot_be_read(pulumi: Pulumi, name: str, fails: str, said: str) -> None:
    pulumi.exports({}, fails=fails)
    with pytest.raises(StackError, match=said):
        Stack(name, environ=pulumi.environ).deployed()


def test_outputs_of_another_project(pulumi: Pulumi) -> None:
    pulumi.exports({"services": "text"})
    with pytest.raises(StackError, match=r"^stack qa cannot be read: its output `services` is not an object"):
        Stack("qa", environ=pulumi.environ).deployed()


def test_without_pulumi_the_error_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"no pulumi on PATH that fits; run `source \.toolchain/env`"):
        Stack("dev")


def test_up_names_its_stack_and_selects_none(pulumi: Pulumi) -> None:
    pulumi.exports({})
    said: list[str] = []
    Stack("qa", environ=pulumi.environ).up(said.append)
    assert "deployed" in said
    (up,) = [call for call in pulumi.calls if call.startswith("up ")]
    assert "--stack qa" in up
    assert not [call for call in pulumi.calls if "select" in call]


def project(folder: Path) -> Path:
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text("name: model-webservice\nruntime: python\nstackConfigDir: stacks\n")
    return folder


def test_a_failure_gives_the_settings_back(pulumi: Pulumi, tmp_path: Path) -> None:
    stack = Stack("org/qa", project(tmp_path), pulumi.environ)
    assert stack.settings_file == tmp_path / "stacks/Pulumi.qa.yaml"
    with pytest.raises(StackError, match=r"^the settings are what they were, as no luck$"):
        change(stack, "changed", StackError("no luck"))
    assert not stack.settings_file.exists()
    change(stack, "first")
    with pytest.raises(KeyboardInterrupt):
        change(stack, "second", KeyboardInterrupt())
    assert stack.settings_file.read_text() == "first"


def change(stack: Stack, text: str, error: BaseException | None = None) -> None:
    with stack.kept_on_failure():
        stack.settings_file.write_text(text)
        if error:
            raise error


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "pulumi gave no reason"),
        ("boom\n\n", "boom"),
        ("warning: old\nerror: bad passphrase\nhint\n", "bad passphrase"),
        (" dev running error: a: no.\n  error: a: no.\n error: update failed\n", "a: no"),
        ("error: a.\nerror: an unhandled error occurred: program exited with non-zero exit code: 1", "a"),
        ("error: a\nerror: b\n", "a; b"),
        ("error: update failed\n", "update failed"),
    ],
)
def test_the_reason_of_a_failure(output: str, said: str) -> None:
    assert reason(output) == said
