"""A machine that lacks something is told so, and not by an error from deep inside."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import needs, registries
from tests.e2e import own_daemon
from toolchain.tools import PACKAGES


@pytest.fixture
def another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def bare_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("another_user")
def test_a_daemon_of_ones_own_takes_root() -> None:
    said = "a Docker daemon of its own takes root: run the tests as root"
    with pytest.raises(needs.MissingError, match=said), own_daemon.running():
        pytest.fail("it started")


@pytest.mark.usefixtures("another_user")
def test_trust_in_a_registry_takes_root(tmp_path: Path) -> None:
    with pytest.raises(
        needs.MissingError, match=r"trust of Docker's in a registry \(/etc/docker/certs\.d\) takes root"
    ):
        registries.trust("127.0.0.1:1", tmp_path / "ca.crt")


@pytest.mark.usefixtures("bare_root")
@pytest.mark.parametrize(
    ("use", "program"),
    [
        (own_daemon.running, "dockerd and no ip and no mount and no setpriv"),
        (lambda: registries.registry(tls=True), "openssl"),
    ],
)
def test_a_missing_program_is_named_with_what_installs_it(
    use: Callable[[], AbstractContextManager[object]], program: str
) -> None:
    said = f"there is no {program}.*: python -m toolchain tools installs"
    with pytest.raises(needs.MissingError, match=said), use():
        pytest.fail("it started")


def test_the_command_installs_what_is_asked_for() -> None:
    for name in ("dockerd", "ip", "mount", "setpriv", "unshare", "openssl", "git", "mmdebstrap"):
        assert name in PACKAGES
    needs.programs(*PACKAGES)
