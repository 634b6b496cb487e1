import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scoring.__main__ import main
from scoring.stack import PROJECT
from tests.scoring.conftest import Pulumi, Serve, Service

Reader = Callable[[str, str, bytes], tuple[int, str]]


def outputs(*services: Service) -> dict[str, object]:
    return {
        "services": {
            f"aci-mnist-{number}": {"style": "model file", "image": "i:1", "scoringUri": service.scoring_uri}
            for number, service in enumerate(services, start=1)
        }
    }


def wrong(reader: Reader) -> Reader:
    def answer(method: str, path: str, body: bytes) -> tuple[int, str]:
        status, text = reader(method, path, body)
        if method == "POST":
            first, *others = json.loads(text)
            text = json.dumps([(first + 1) % 10, *others])
        return status, text

    return answer


def test_all_services_get_the_same_digits_and_answer_alike(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    services = [serve(reader) for _ in range(3)]
    pulumi.exports(outputs(*services))
    assert main(["test", "-s", "dev"], pulumi.environ) == 0
    printed = capsys.readouterr()
    assert "The 3 services answer alike" in printed.out
    assert printed.err == ""
    bodies = {service.requests[1][2] for service in services}
    assert len(bodies) == 1
    assert np.array(json.loads(bodies.pop())["data"]).shape == (5, 784)
    assert pulumi.calls == ["stack export --show-secrets --stack dev"]


def test_services_that_differ_fail_the_test(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.exports(outputs(serve(reader), serve(wrong(reader))))
    assert main(["test", "--seed", "3"], pulumi.environ) == 1
    printed = capsys.readouterr()
    assert printed.err == "error: the services differ on digit 1: aci-mnist-1 6, aci-mnist-2 7\n"
    assert "alike" not in printed.out


def test_a_service_that_fails_fails_the_test(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = serve(lambda *_: (500, '{"message": "boom"}'))
    pulumi.exports(outputs(serve(reader), broken))
    assert main(["test"], pulumi.environ) == 1
    assert capsys.readouterr().err == f"error: aci-mnist-2: POST {broken.scoring_uri} answered 500: boom\n"


def test_services_that_misread_a_digit_alike_pass(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.exports(outputs(serve(wrong(reader)), serve(wrong(reader))))
    assert main(["test", "--seed", "3"], pulumi.environ) == 0
    assert "true 6, read as 7*" in capsys.readouterr().out


def test_json_is_all_that_is_printed(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.exports(outputs(serve(reader), serve(wrong(reader))))
    assert main(["test", "--json", "--count", "2", "--seed", "3"], pulumi.environ) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["alike"] is False
    assert report["trueLabels"] == [6, 1]
    assert report["services"]["aci-mnist-2"]["predictedLabels"] == [7, 1]


OWN = """{"definitions": {"ServiceInput": {"example": {"rows": [1, 2]}}}}"""


def own(method: str, path: str, body: bytes) -> tuple[int, str]:
    """How a service of another model answers."""
    if method == "POST":
        return (200, '"stays"') if "rows" in json.loads(body) else (500, '{"message": "no rows"}')
    return 200, OWN if path == "/swagger.json" else "Healthy"


def test_a_service_of_another_script_gets_its_own_sample(
    serve: Serve, reader: Reader, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    exported: dict[str, dict[str, object]] = outputs(serve(reader))  # type: ignore[assignment]
    churn = serve(own)
    exported["services"]["churn"] = {"style": "image", "scoringUri": churn.scoring_uri}
    pulumi.exports(exported)
    assert main(["test", "-s", "dev"], pulumi.environ) == 0
    printed = capsys.readouterr().out
    assert "The one service answers alike" in printed
    assert "churn answers its own sample." in printed
    assert main(["test", "-s", "dev", "--json"], pulumi.environ) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["services"]["aci-mnist-1"]["predictedLabels"]) == len(report["trueLabels"]) == 5
    assert report["services"]["churn"]["answer"] == "stays"
    assert "predictedLabels" not in report["services"]["churn"]


def test_a_stack_without_a_reader_of_digits_gets_none(
    serve: Serve, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.exports({"services": {"churn": {"style": "image", "scoringUri": serve(own).scoring_uri}}})
    assert main(["test"], pulumi.environ) == 0
    assert "true" not in capsys.readouterr().out
    assert main(["test", "--json"], pulumi.environ) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["alike"], report["seed"], report["trueLabels"]) == (True, None, None)


def test_another_services_failure_fails_the_test(
    serve: Serve, pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = serve(lambda method, *_: (200, OWN) if method == "GET" else (500, '{"message": "boom"}'))
    pulumi.exports({"services": {"churn": {"style": "image", "scoringUri": broken.scoring_uri}}})
    assert main(["test"], pulumi.environ) == 1
    assert capsys.readouterr().err == f"error: churn: POST {broken.scoring_uri} answered 500: boom\n"


def test_digits_that_are_given_go_to_services_of_any_script(
    serve: Serve, pulumi: Pulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "own.npz", X=np.zeros((1, 784), np.uint8), y=np.array([8]))
    pulumi.exports({"services": {"churn": {"style": "image", "scoringUri": serve(own).scoring_uri}}})
    assert main(["test", "--count", "1", "--digits", str(tmp_path / "own.npz")], pulumi.environ) == 1
    assert "answered 500: no rows" in capsys.readouterr().err


def test_digits_of_ones_own(
    serve: Serve, reader: Reader, pulumi: Pulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "own.npz", X=np.zeros((1, 784), np.uint8), y=np.array([8]))
    pulumi.exports(outputs(serve(reader)))
    assert main(["test", "--json", "--count", "1", "--digits", str(tmp_path / "own.npz")], pulumi.environ) == 0
    assert json.loads(capsys.readouterr().out)["trueLabels"] == [8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "error: 0 digits were asked for; there are 1 to 1000\n"),
        (["--digits", "/absent.npz"], "error: no digits in /absent.npz:"),
        ([], "error: stack dev has no services; run `make up` to deploy the services\n"),
        (["-s", "qa"], "error: stack qa has no services; run `make up` to deploy the services\n"),
    ],
)
def test_nothing_to_send_exits_2(
    pulumi: Pulumi, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    pulumi.exports({})
    assert main(["test", *arguments], pulumi.environ) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("arguments", [[], ["call"], ["test", "--seed", "-1"], ["test", "--count", "many"]])
def test_wrong_arguments_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: python -m scoring" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["test", "--help"])
    assert raised.value.code == 0
    assert "exit codes:\n  0  the services answered alike" in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "in_one_line"), [(None, True), ("80", False)])
def test_as_a_command(serve: Serve, reader: Reader, pulumi: Pulumi, columns: str | None, in_one_line: bool) -> None:
    service = serve(reader)
    pulumi.exports(outputs(service))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | pulumi.environ
    done = subprocess.run(
        [sys.executable, "-m", "scoring", "test"],
        cwd=PROJECT,
        env=environ | ({"COLUMNS": columns} if columns else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    row = next(line for line in done.stdout.splitlines() if "aci-mnist-1" in line)
    assert service.scoring_uri in row
    assert ("model file" in row) is in_one_line
    assert done.stderr == ""
