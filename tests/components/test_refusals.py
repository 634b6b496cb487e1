"""Parameters without a meaning on Docker, in a program and in a stack's settings."""

from typing import Any

import pulumi
import pytest

from components import names, refusals
from components.container_webservice import ContainerWebservice, ContainerWebserviceArgs
from components.problems import Problem
from tests.components.engine import Run
from tests.components.test_settings import service, settings


@pytest.mark.parametrize("name", refusals.REFUSED)
def test_each_is_refused_by_name_with_the_reason(name: str) -> None:
    camel = names.camel(name)
    for spelling in (name, camel):
        with pytest.raises(Problem, match=rf"^{camel} has no meaning on Docker: .*\. Drop {camel}\.$"):
            refusals.check([spelling, "tags"])


@pytest.mark.parametrize("name", refusals.REFUSED)
def test_each_is_an_argument_so_that_every_language_can_be_told(name: str, preview: Run) -> None:
    assert name in ContainerWebserviceArgs.__annotations__
    given: dict[str, Any] = {"image": "i:1", name: "westeurope"}
    with pytest.raises(pulumi.RunError, match=rf"^svc: {names.camel(name)} has no meaning on Docker"):
        preview(lambda: ContainerWebservice("svc", given))  # type: ignore[arg-type]


def test_what_is_empty_is_not_given(up: Run) -> None:
    assert up(lambda: ContainerWebservice("svc", {"image": "i:1", "location": ""})).resources


def test_they_are_refused_as_settings_too() -> None:
    with pytest.raises(Problem, match=r"^location has no meaning on Docker: .*dockerHost"):
        settings(location="westeurope")
    with pytest.raises(Problem, match=r"^subnetName has no meaning on Docker"):
        settings(services=[service(subnetName="back")])


def test_an_argument_that_is_none_is_told_with_the_one_that_was_meant(preview: Run) -> None:
    given: dict[str, Any] = {"image": "i:1", "cpu_core": 1}
    with pytest.raises(pulumi.RunError, match=r"unknown argument of ContainerWebservice 'cpu_core'. Did you mean 'cp"):
        preview(lambda: ContainerWebservice("svc", given))  # type: ignore[arg-type]
