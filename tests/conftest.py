"""What all tests share: errors in place of unknown texts, a base image of this machine's daemon, two runs at a time."""

import os

import docker
import docker.errors
import hypothesis
import pytest

BASE_IMAGES = ("model-webservice-base:python3.11", "conformance-base:1", "python:3.11-slim")
"""Images with Python that tests may start from, the first that is there being taken."""


FUZZED = "fuzzed cases"
"""The property of a test's report that tells how many cases it tried."""
DAEMON = "daemon"
"""The tests that run one after the other, as they look at all that the machine's daemon holds."""


def pytest_configure(config: pytest.Config) -> None:
    """Have no test fail because the machine is slow, and forget the size of a terminal that there is not.

    readline leaves that size in the environment of pytest-xdist's processes.
    """
    patient = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.register_profile("patient", patient)
    hypothesis.settings.load_profile("patient")
    if hasattr(config, "workerinput"):
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tell pytest-xdist which tests stay together: those of the daemon, and those of each module.

    It reads the marks before any other plugin may change the collection, so they are set on each test as it is found.
    """
    item.add_marker(pytest.mark.xdist_group(DAEMON if is_alone(item) else item.nodeid.partition("::")[0]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let those of the daemon, which take longest, begin at once."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not is_alone(item))


def is_alone(item: pytest.Item) -> bool:
    """Whether a test is one of those that run one after the other."""
    return item.get_closest_marker("e2e") is not None and item.get_closest_marker("beside") is None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases the fuzzing tests tried."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    counts = {
        report.nodeid.partition("::")[2].partition("@")[0]: value
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == FUZZED
    }
    if counts:
        each = ", ".join(f"{test} {count}" for test, count in counts.items())
        terminalreporter.write_line(f"Fuzzed: {sum(counts.values())} cases ({each})")


@pytest.fixture(autouse=True)
def outputs_are_no_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Output that is formatted as a string is a mistake, and Pulumi raises an error for it when told so."""
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


@pytest.fixture(scope="session")
def base_image() -> str:
    """Return a base image with Python that the Docker daemon has; fail when it has none."""
    wanted = [name for name in (os.environ.get("MODEL_WEBSERVICE_BASE_IMAGE", ""), *BASE_IMAGES) if name]
    client = docker.from_env()
    try:
        for name in wanted:
            try:
                client.api.inspect_image(name)
            except docker.errors.ImageNotFound:
                continue
            return name
    finally:
        client.close()
    pytest.fail(f"the Docker daemon has none of {', '.join(wanted)}: run 'make up' once, or pull the last one.")
