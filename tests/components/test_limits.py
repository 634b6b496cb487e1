"""CPU, memory, time and ports: from what a user writes to what the engine reads back."""

import math

import pytest

from components import limits
from components.problems import Problem


@pytest.mark.parametrize(
    ("cores", "text"),
    [(1, "1.0"), (1.0, "1.0"), (0.5, "0.5"), (0.25, "0.25"), (0.1, "0.1"), (2, "2.0"), (0.01, "0.01"), (1.1, "1.1")],
)
def test_cpus_are_written_as_the_engine_reads_them_back(cores: float, text: str) -> None:
    assert limits.cpus(cores) == text


@pytest.mark.parametrize(
    ("cores", "workers"),
    [(0.01, 1), (0.1, 1), (0.5, 1), (1, 1), (1.49, 1), (1.5, 2), (2, 2), (2.0, 2), (2.25, 2), (2.5, 3), (16.0, 16)],
)
def test_a_worker_for_each_core(cores: float, workers: int) -> None:
    assert limits.worker_count(cores) == workers


@pytest.mark.parametrize("cores", [0, -1, -0.5, math.nan, math.inf, "1", None])
def test_cpus_that_are_not_above_zero_are_refused(cores: float) -> None:
    with pytest.raises(Problem, match=r"cpuCores is .*: give a number above 0, for instance 0.1") as error:
        limits.cpus(cores)
    assert repr(cores) in str(error.value)


@pytest.mark.parametrize(("cores", "allowed"), [(0.001, "0.01"), (0.125, "0.12"), (1.005, "1.00")])
def test_cpus_finer_than_docker_takes_are_refused(cores: float, allowed: str) -> None:
    with pytest.raises(Problem, match=rf"cpuCores is {cores}: .*hundredths of a core, for instance {allowed}"):
        limits.cpus(cores)


@pytest.mark.parametrize(("gigabytes", "megabytes"), [(1, 1024), (0.5, 512), (2.0, 2048), (0.006, 6), (0.3, 307)])
def test_memory_is_counted_in_binary_megabytes(gigabytes: float, megabytes: int) -> None:
    seen = limits.memory_mb(gigabytes)
    assert seen == megabytes
    assert type(seen) is int


@pytest.mark.parametrize("gigabytes", [0, -1, math.nan, math.inf, "1", None])
def test_memory_that_is_not_above_zero_is_refused(gigabytes: float) -> None:
    with pytest.raises(Problem, match=r"memoryGb is .*: give a number above 0, for instance 0.5"):
        limits.memory_mb(gigabytes)


def test_memory_below_what_docker_starts_with_is_refused() -> None:
    with pytest.raises(Problem, match=r"memoryGb is 0.005: Docker needs at least 6 MB"):
        limits.memory_mb(0.005)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1s"), (30, "30s"), (60, "1m0s"), (90, "1m30s"), (300, "5m0s"), (3600, "1h0m0s"), (3661.0, "1h1m1s")],
)
def test_durations_are_in_gos_canonical_form(seconds: float, text: str) -> None:
    assert limits.duration(seconds) == text


def test_positive_seconds_come_as_whole_numbers() -> None:
    seen = limits.positive_seconds("waitTimeout", 300.0)
    assert seen == 300
    assert type(seen) is int


@pytest.mark.parametrize("value", [0, -1, 0.5, math.nan, math.inf, "30", None])
def test_seconds_below_one_are_refused_by_the_settings_name(value: float) -> None:
    with pytest.raises(Problem, match=r"waitTimeout is .*: give whole seconds, 1 or more"):
        limits.positive_seconds("waitTimeout", value)


@pytest.mark.parametrize(("value", "port"), [(0, 0), (1, 1), (5001, 5001), (65535, 65535), (8080.0, 8080)])
def test_ports_come_as_whole_numbers(value: float, port: int) -> None:
    seen = limits.port_number(value)
    assert seen == port
    assert type(seen) is int


@pytest.mark.parametrize("value", [-1, 65536, 80.5, "80", None, math.nan, math.inf])
def test_a_number_that_is_no_port_is_refused(value: float) -> None:
    with pytest.raises(Problem, match=r"port is .*: give 1 to 65535, or 0 to let Docker choose") as error:
        limits.port_number(value)
    assert repr(value) in str(error.value)
