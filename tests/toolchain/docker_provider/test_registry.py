import base64
import json

import pytest

from toolchain.docker_provider.registry import Credentials, Login, host_of, key_of, server_of, split_tag


@pytest.mark.parametrize(
    ("image", "server", "parts"),
    [
        ("busybox", "docker.io", ("busybox", "latest")),
        ("me/app:1", "docker.io", ("me/app", "1")),
        ("ghcr.io/me/app:1", "ghcr.io", ("ghcr.io/me/app", "1")),
        ("localhost:5000/app", "localhost:5000", ("localhost:5000/app", "latest")),
        ("localhost:5000/app:2", "localhost:5000", ("localhost:5000/app", "2")),
        ("localhost/app", "localhost", ("localhost/app", "latest")),
    ],
)
def test_names_of_images(image, server, parts):
    assert server_of(image) == server
    assert split_tag(image) == parts


@pytest.mark.parametrize(
    ("address", "host", "key"),
    [
        ("https://ghcr.io/v2/", "ghcr.io", "ghcr.io"),
        ("https://index.docker.io/v1/", "docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io", "https://index.docker.io/v1/"),
        ("registry:5000", "registry:5000", "registry:5000"),
    ],
)
def test_addresses_of_registries(address, host, key):
    assert host_of(address) == host
    assert key_of(address) == key


def test_logins_come_from_the_providers_configuration(tmp_path):
    auth = base64.b64encode(b"u2:p2").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"b.io": {"auth": auth}}}))
    entries = [
        {"address": "https://a.io", "username": "u1", "password": "p1"},
        {"address": "b.io", "configFile": str(tmp_path / "config.json")},
        {"address": "c.io", "authDisabled": True, "username": "u", "password": "p"},
    ]
    credentials = Credentials.from_config({"registryAuth": json.dumps(entries)})
    assert credentials.of("a.io/app:1") == {"username": "u1", "password": "p1", "serveraddress": "a.io"}
    assert credentials.logins["b.io"] == Login("u2", "p2")
    assert credentials.of("c.io/app") is None


def test_a_password_is_not_printed():
    assert "hunter2" not in repr(Login("me", "hunter2"))


def test_a_broken_configuration_says_so():
    with pytest.raises(ValueError, match="registryAuth cannot be used"):
        Credentials.from_config({"registryAuth": '[{"username": "u", "password": "p"}]'})
