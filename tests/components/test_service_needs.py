"""What an image's service needs when it does not say itself: CPU, memory, GPUs."""

import json
from typing import Any

import pytest

from components import service_needs
from components.models import KnownModel
from components.problems import Problem
from components.registry_login import Access
from components.service_needs import Limits, Needs, limits_of, needs_of, of_image
from tests.components.engine import FakeDaemon


def model(**resources: float) -> KnownModel:
    return KnownModel("models/m:1", "m", "1", resources=resources)


@pytest.mark.parametrize(
    ("enable_gpu", "found", "needs"),
    [
        (False, [], {}),
        (True, [], {"gpu": 1.0}),
        (False, [model(cpu=0.5), model(cpu=2, memory_in_gb=1)], {"cpu": 2, "memory_in_gb": 1}),
        (True, [model(gpu=2)], {"gpu": 2}),
    ],
)
def test_an_image_needs_the_largest_amount_that_a_model_was_registered_with(
    enable_gpu: bool, found: list[KnownModel], needs: dict[str, float]
) -> None:
    assert of_image(enable_gpu, found) == needs


def test_what_an_image_needs_is_known_before_it_is_there_and_by_its_label_after(daemon: FakeDaemon) -> None:
    host: Any = daemon
    assert needs_of("i:1", host, Access(), "") == Needs(0.1, 0.5, False)
    daemon.images["i:1"] = {service_needs.LABEL: json.dumps({"cpu": 2, "memory_in_gb": 4, "gpu": 1})}
    assert needs_of("i:1", host, Access(), "") == Needs(2, 4, True)
    service_needs.declared["i:1"] = {"cpu": 1}
    assert needs_of("i:1", host, Access(), "") == Needs(1, 0.5, False)


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "limits"),
    [
        ("", 0, Limits("2.0", 2, 4096, None)),
        ("0.5", 0, Limits("0.5", 1, 4096, None)),
        ("", 512, Limits("2.0", 2, 512, None)),
    ],
)
def test_what_is_given_counts_before_what_is_needed(
    daemon: FakeDaemon, cpus: str, memory_mb: int, limits: Limits
) -> None:
    host: Any = daemon
    assert limits_of(Needs(2, 4), cpus, memory_mb, host) == limits


def test_gpus_are_asked_for_where_the_host_has_them_and_refused_where_not(daemon: FakeDaemon) -> None:
    host: Any = daemon
    with pytest.raises(Problem, match=r"needs a GPU \(enableGpu, .*no NVIDIA runtime: install .*or drop enableGpu"):
        limits_of(Needs(gpu=True), "", 0, host)
    daemon.gpus = True
    assert limits_of(Needs(gpu=True), "", 0, host).gpus == "all"
