import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.docker_provider import units


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("", 0),
        ("0", 0),
        ("0s", 0),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("30s", 30_000_000_000),
        ("1m30s", 90_000_000_000),
        ("2h", 7_200_000_000_000),
        ("10us", 10_000),
    ],
)
def test_reads_durations(text, nanoseconds):
    assert units.nanoseconds(text) == nanoseconds


@pytest.mark.parametrize("text", ["30", "1 s", "s", "-1s", "1d"])
def test_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match="write it as"):
        units.nanoseconds(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (500_000_000, "500ms"),
        (1_500_000_000, "1.5s"),
        (30_000_000_000, "30s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (5_430_500_000_000, "1h30m30.5s"),
    ],
)
def test_writes_durations_as_go_does(nanoseconds, text):
    assert units.duration(nanoseconds) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_durations_survive_writing_and_reading(nanoseconds):
    assert units.nanoseconds(units.duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "nano", "read_back"),
    [("1", 10**9, "1.0"), ("1.0", 10**9, "1.0"), ("0.5", 500_000_000, "0.5"), ("0.1", 100_000_000, "0.1")],
)
def test_cpus_are_read_back_as_the_vendor_does(text, nano, read_back):
    assert units.nano_cpus(text) == nano
    assert units.cpus(nano) == read_back


@pytest.mark.parametrize("text", ["0", "-1", "half", "", "1e3"])
def test_refuses_what_is_no_number_of_cpus(text):
    with pytest.raises(ValueError, match="positive number of CPUs"):
        units.nano_cpus(text)
