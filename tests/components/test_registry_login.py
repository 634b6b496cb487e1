"""A registry's address and login: what is allowed, and which login is whose."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from components.problems import Problem
from components.registry_login import Access, Login, stored_login


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, ""),
        ({"address": "localhost:5000"}, "localhost:5000"),
        ({"address": "https://registry.example.com/team/"}, "registry.example.com/team"),
    ],
)
def test_addresses(given: Any, address: str) -> None:
    assert Access.from_args(given).address == address


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": "registry"}, r"'registry' is not allowed: give host\[:port\]\[/path\]"),
        ({"address": "r.example/Upper"}, r"'Upper' must be lower-case"),
        ({"username": "me"}, r"registry.username is given without registry.password: give both"),
        ({"password": "p"}, r"registry.password is given without registry.username"),
        ({"server": "x"}, r"unknown argument registry.'server'.* Allowed: address, password, username"),
    ],
)
def test_what_is_refused(given: Any, said: str) -> None:
    with pytest.raises(Problem, match=said):
        Access.from_args(given)


def test_a_login_is_for_its_own_registry_alone() -> None:
    access = Access("r.example/team", "me", "word")
    assert access.login_for("r.example/other:1", "word") == Login("me", "word")
    assert not access.login_for("s.example/other:1", "word")
    assert not access.login_for("other:1", "word")
    assert not Access("", "me", "word").login_for("other:1", "word")
    assert access.qualified("models/m") == "r.example/team/models/m"
    assert "word" not in repr(access) + repr(Login("me", "word"))


@pytest.mark.parametrize(
    ("address", "reference", "host", "fits"),
    [
        ("", "python:3.11-slim", "docker.io", True),
        ("", "me/base:1", "docker.io", True),
        ("", "docker.io/me/base", "docker.io", True),
        ("", "index.docker.io/me/base", "docker.io", True),
        ("", "r.example:5000/base:1", "r.example:5000", True),
        ("r.example/team", "r.example/base:1", "r.example", True),
        ("r.example/team", "me/base:1", "r.example", False),
        ("docker.io/me", "me/base:1", "docker.io", True),
        ("index.docker.io/me", "index.docker.io/me/base:1", "index.docker.io", True),
    ],
)
def test_a_login_without_an_address_is_for_the_registry_of_the_images_name(
    address: str, reference: str, host: str, fits: bool
) -> None:
    access = Access(address, "me", "word").of_image(reference)
    assert access.host == host
    assert access.login_for(reference, "word") == (Login("me", "word") if fits else Login())


def test_the_stored_login_and_a_helper_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert not stored_login("r.example")
    auth = base64.b64encode(b"me:p").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r.example": {"auth": auth}}}))
    assert stored_login("r.example") == Login("me", "p")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"r.example": "no-such-helper"}}))
    with pytest.raises(Problem, match=r"login for r.example cannot be read: .*'docker login r.example'"):
        stored_login("r.example")
