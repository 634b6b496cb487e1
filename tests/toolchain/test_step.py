"""Ways in turn."""

import pytest

from toolchain.step import StepError, Unavailable, Way, first_that_works


def refuse(way: Way) -> str:
    raise Unavailable(f"{way.name} refused")


def test_the_first_way_without_an_obstacle_that_works_is_taken() -> None:
    ways = iter([Way("a", "to a", "not there"), Way("b", "to b"), Way("c", "to c", value="3"), Way("d", "to d")])
    result, attempts = first_that_works(
        "x", ways, {"a": refuse, "b": refuse, "c": lambda way: way.value, "d": refuse}, ""
    )
    assert result == "3"
    assert attempts == (("to a", "not there"), ("to b", "b refused"))
    assert next(ways).name == "d", "a way after the one that works is not even surveyed"


def test_the_error_says_what_was_tried_why_it_failed_and_what_to_do() -> None:
    ways = [Way("a", "to find it", "not there"), Way("b", "to make it")]
    with pytest.raises(StepError) as error:
        first_that_works("The part", ways, {"b": refuse}, "Make it yourself.")
    assert str(error.value) == (
        "The part is missing.\n  tried to find it: not there\n  tried to make it: b refused\n  Make it yourself."
    )
