"""Whose login and passphrase Pulumi gets, as far as tables can say; the command line's own view is in test_login.py."""

import json
import stat
from pathlib import Path

import pytest

from toolchain.environment import resolved
from toolchain.layout import Layout
from toolchain.state import (
    ensure_passphrase,
    file_address,
    find_login,
    forget_salt,
    settings,
    without_salt,
    without_user,
)

SALT = "encryptionsalt: v1:abc=:v1:def:ghi==\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "a project" / "stacks").mkdir(parents=True)
    return Layout(tmp_path / "a project", tmp_path / "cache")


def log_in(folder: Path, current: str) -> None:
    folder.mkdir(parents=True)
    (folder / "credentials.json").write_text(json.dumps({"current": current, "accessTokens": {current: "pul-secret"}}))


@pytest.mark.parametrize(
    ("environ", "files", "project", "expected"),
    [
        ({}, {}, "", None),
        ({}, {".pulumi": ""}, "", None),
        ({"PULUMI_BACKEND_URL": "", "PULUMI_ACCESS_TOKEN": ""}, {}, "", None),
        ({"PULUMI_BACKEND_URL": "s3://bucket"}, {}, "", ("s3://bucket", "PULUMI_BACKEND_URL", ".pulumi")),
        ({"PULUMI_ACCESS_TOKEN": "pul-secret"}, {}, "", ("Pulumi Cloud", "PULUMI_ACCESS_TOKEN", ".pulumi")),
        ({}, {}, "https://company", ("https://company", "Pulumi.yaml", ".pulumi")),
        ({}, {".pulumi": "https://own"}, "", ("https://own", "credentials.json", ".pulumi")),
        ({"PULUMI_BACKEND_URL": "s3://b"}, {".pulumi": "a://b"}, "c://d", ("s3://b", "PULUMI_BACKEND_URL", ".pulumi")),
        ({"PULUMI_HOME": "{}/other"}, {".pulumi": "https://own"}, "", None),
        ({"PULUMI_HOME": "{}/other"}, {"other": "https://o"}, "", ("https://o", "credentials.json", "other")),
        ({"PULUMI_CREDENTIALS_PATH": "{}/cred"}, {"cred": "https://c"}, "", ("https://c", "credentials.json", "cred")),
        ({}, {".pulumi": "https://me:word@own?token=1"}, "", ("https://own", "credentials.json", ".pulumi")),
    ],
)  # fmt: skip
def test_the_login_is_found_where_pulumi_finds_it(
    environ: dict[str, str], files: dict[str, str], project: str, expected: tuple[str, str, str] | None, tmp_path: Path
) -> None:
    for folder, current in files.items():
        log_in(tmp_path / folder, current)
    given = {name: value.format(tmp_path) for name, value in environ.items()} | {"HOME": str(tmp_path)}
    login = find_login(given, project)
    if expected is None:
        assert login is None
    else:
        assert login is not None
        assert (login.backend, Path(login.source).name, login.credentials) == (*expected[:2], tmp_path / expected[2])


@pytest.mark.parametrize("content", ["", "no json", "[]", "{}", '{"current": null}'])
def test_unreadable_credentials_are_no_login(content: str, tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text(content)
    assert find_login({"HOME": str(tmp_path)}) is None


def test_nothing_is_set_beside_a_login(layout: Layout, tmp_path: Path) -> None:
    assert settings(layout, find_login({"HOME": str(tmp_path), "PULUMI_BACKEND_URL": "s3://bucket"})) == ()


@pytest.mark.parametrize(
    ("users", "backend", "passphrase_file"),
    [
        ({}, True, True),
        ({"PULUMI_CONFIG_PASSPHRASE": "mine"}, True, False),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, True, False),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"}, True, False),
        ({"PULUMI_BACKEND_URL": "s3://mine"}, False, False),
        ({"PULUMI_ACCESS_TOKEN": "pul-mine"}, False, False),
    ],
)
def test_without_a_login_state_and_passphrase_are_the_projects(
    users: dict[str, str], backend: bool, passphrase_file: bool, layout: Layout
) -> None:
    added = resolved(users, layout, settings(layout, None)).items() - users.items()
    assert (("PULUMI_BACKEND_URL", file_address(layout.project)) in added) == backend
    assert (("PULUMI_CONFIG_PASSPHRASE_FILE", str(layout.passphrase)) in added) == passphrase_file


def test_the_address_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_address(Path("/a b/é")) == "file:///a%20b/%C3%A9?metadata=skip"
    monkeypatch.chdir(tmp_path)
    assert file_address(Path("state")) == f"file://{tmp_path}/state?metadata=skip"


def test_the_passphrase_is_made_once_for_the_user_alone(layout: Layout) -> None:
    assert ensure_passphrase(layout)
    first = layout.passphrase.read_text()
    assert len(first.strip()) >= 40
    assert stat.S_IMODE(layout.passphrase.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.state.stat().st_mode) == 0o700
    assert not ensure_passphrase(layout)
    assert layout.passphrase.read_text() == first


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SALT, ""),
        ("config:\n  a:b: c\n" + SALT, "config:\n  a:b: c\n"),
        (SALT + "# said\nconfig: {}\n", "# said\nconfig: {}\n"),
        ("config: {}\n", "config: {}\n"),
        (SALT + "config:\n  a:b:\n    secure: v1:x:y\n", None),
        (SALT + "config:\n  a:b:\n    - secure: v1:x:y\n", None),
    ],
)
def test_a_salt_goes_unless_secrets_need_it(text: str, expected: str | None) -> None:
    assert without_salt(text) == (text if expected is None else expected)


@pytest.mark.parametrize(("has_state", "dropped"), [(False, True), (True, False)])
def test_the_salt_of_a_stack_with_state_stays(has_state: bool, dropped: bool, layout: Layout) -> None:
    configuration = layout.project / "stacks" / "Pulumi.dev.yaml"
    configuration.write_text(SALT)
    if has_state:
        (layout.state / "stacks" / "shop").mkdir(parents=True)
        (layout.state / "stacks" / "shop" / "dev.json").write_text("{}")
    assert forget_salt(layout, "dev", "shop") == dropped
    assert configuration.read_text() == ("" if dropped else SALT)
    assert not forget_salt(layout, "other", "shop")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://me:word@example.com/x", "https://example.com/x"),
        ("postgres://me:word@db/x?sslmode=off&password=1", "postgres://db/x"),
        ("file:///home/me@work", "file:///home/me@work"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_user(address) == shown
