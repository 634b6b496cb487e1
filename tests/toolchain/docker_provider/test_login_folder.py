import base64
import json
from pathlib import Path

from toolchain.docker_provider.login_folder import login_folder, with_logins
from toolchain.docker_provider.registry import Login

LOGINS = {"a.io": Login("me", "hunter2")}


def test_without_logins_the_users_folder_serves():
    with login_folder({}, {}) as variables:
        assert variables == {}


def test_the_folder_is_private_and_goes_away(tmp_path):
    (tmp_path / "config.json").write_text('{"auths": {"b.io": {"auth": "eA=="}}, "proxies": {}}')
    (tmp_path / "cli-plugins").mkdir()
    with login_folder(LOGINS, {"DOCKER_CONFIG": str(tmp_path)}) as variables:
        file = Path(variables["DOCKER_CONFIG"]) / "config.json"
        assert file.stat().st_mode & 0o777 == 0o600
        config = json.loads(file.read_text())
        assert base64.b64decode(config["auths"]["a.io"]["auth"]) == b"me:hunter2"
        assert config["auths"]["b.io"] == {"auth": "eA=="}
        assert (file.parent / "cli-plugins").is_dir()
    assert not file.exists()
    assert (tmp_path / "cli-plugins").is_dir()


def test_credential_helpers_answer_for_the_other_registries_only():
    config = {"credsStore": "desktop", "credHelpers": {"a.io": "x"}, "auths": {"b.io": {}}, "currentContext": "far"}
    merged = with_logins(config, LOGINS)
    assert merged["credHelpers"] == {"b.io": "desktop"}
    assert not {"credsStore", "currentContext"} & merged.keys()
