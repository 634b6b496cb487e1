import hashlib
import json
from pathlib import Path

import pytest

from toolchain.docker_provider.endpoint import DEFAULT_HOST, resolve


@pytest.fixture
def home(tmp_path):
    """A docker configuration with the contexts `far` (over ssh) and `safe` (over TLS)."""
    folder = tmp_path / ".docker"
    for name, host in (("far", "ssh://me@far"), ("safe", "tcp://safe:2376")):
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = folder / "contexts" / "meta" / digest
        meta.mkdir(parents=True)
        (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
        if name == "safe":
            (folder / "contexts" / "tls" / digest / "docker").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("config", "environ", "host"),
    [
        ({}, {}, DEFAULT_HOST),
        ({}, {"DOCKER_HOST": "tcp://a:1"}, "tcp://a:1"),
        ({"host": "unix:///x"}, {"DOCKER_HOST": "tcp://a:1"}, "unix:///x"),
        ({"context": "far"}, {"DOCKER_HOST": "tcp://a:1"}, "ssh://me@far"),
        ({}, {"DOCKER_HOST": "tcp://a:1", "DOCKER_CONTEXT": "far"}, "tcp://a:1"),
        ({}, {"DOCKER_CONTEXT": "far"}, "ssh://me@far"),
        ({}, {"DOCKER_CONTEXT": "default"}, DEFAULT_HOST),
    ],
)
def test_the_daemon_is_chosen_as_the_command_line_does(home, config, environ, host):
    assert resolve(config, {"HOME": str(home), **environ}).host == host


def test_the_context_in_use_counts(home):
    (home / ".docker" / "config.json").write_text('{"currentContext": "safe"}')
    endpoint = resolve({}, {"HOME": str(home)})
    assert endpoint.host == "tcp://safe:2376"
    assert endpoint.environment()["DOCKER_TLS_VERIFY"] == "1"
    assert Path(endpoint.environment()["DOCKER_CERT_PATH"]).is_dir()


def test_docker_config_moves_the_folder(home, tmp_path):
    environ = {"HOME": "/nowhere", "DOCKER_CONFIG": str(home / ".docker"), "DOCKER_CONTEXT": "far"}
    assert resolve({}, environ).host == "ssh://me@far"


@pytest.mark.parametrize(
    ("config", "environ", "secured"),
    [
        ({}, {"DOCKER_HOST": "tcp://a:1"}, False),
        ({}, {"DOCKER_HOST": "tcp://a:1", "DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, True),
        ({"certPath": "/c", "host": "tcp://a:1"}, {}, True),
        ({"certPath": "/c", "host": "unix:///x"}, {}, False),
    ],
)
def test_certificates_secure_tcp(config, environ, secured):
    assert (resolve(config, environ).certificates is not None) is secured


def test_an_unknown_context_says_where_it_was_looked_for(home):
    with pytest.raises(
        ValueError, match=r"'lost' \(the provider's context\) is not in .*contexts: see `docker context ls`"
    ):
        resolve({"context": "lost"}, {"HOME": str(home)})
