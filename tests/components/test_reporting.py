"""From a user's mistake to what Pulumi prints."""

import pulumi
import pytest

from components.problems import Problem
from components.reporting import apply_reporting, problems_reported
from tests.components.engine import Run


def test_a_problem_becomes_pulumis_error_with_the_components_name() -> None:
    with pytest.raises(pulumi.RunError, match=r"^svc: give another port$") as error, problems_reported("svc"):
        raise Problem("give another port")
    assert error.value.__suppress_context__


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), problems_reported("svc"):
        raise ZeroDivisionError


async def refuse(value: str) -> str:
    raise Problem(f"{value} is not allowed")


async def double(value: str) -> str:
    return value * 2


def test_a_problem_in_an_output_ends_the_program_with_its_message(up: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"^svc: this is not allowed$"):
        up(lambda: apply_reporting(pulumi.Output.from_input("this"), "svc", refuse))


def test_an_output_without_a_problem_is_what_the_function_returns(up: Run) -> None:
    def program() -> None:
        pulumi.export("doubled", apply_reporting(pulumi.Output.from_input("ab"), "svc", double))

    assert up(program).exports == {"doubled": "abab"}
