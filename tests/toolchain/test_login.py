"""What Pulumi's own command line makes of the login, the state and the passphrase that it is told of."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolchain import locks, plugin, state
from toolchain.environment import resolved
from toolchain.layout import Layout
from toolchain.machine import Machine
from toolchain.plugin import Plugin

pytestmark = pytest.mark.e2e
PROJECT = "name: model-webservice\nruntime: python\nstackConfigDir: stacks\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a prøject", tmp_path / "cache")
    (layout.project / "stacks").mkdir(parents=True)
    (layout.project / "Pulumi.yaml").write_text(PROJECT)
    return layout


@pytest.fixture
def users(tmp_path: Path) -> dict[str, str]:
    """The environment of a user that has nothing."""
    (tmp_path / "home").mkdir()
    home = tmp_path / "home"
    # Builds of Pulumi with C libraries take the home folder from the system and not from HOME.
    environ = {"HOME": str(home), "PULUMI_HOME": str(home / ".pulumi"), "PATH": os.environ["PATH"]}
    return {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def pulumi(environ: Mapping[str, str], folder: Path, *words: str) -> str:
    command = shutil.which("pulumi")
    assert command
    done = subprocess.run(
        [command, *words, "--non-interactive"], env=environ, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepared(users: dict[str, str], layout: Layout) -> dict[str, str]:
    """The environment that the toolchain makes, the stand-in being in use."""
    machine = Machine.from_environ(users, layout)
    login = state.find_login(machine.environ)
    settings = (*state.settings(layout, login), *plugin.settings(machine, Plugin(layout.pulumi_home, True), login))
    if login is None:
        state.ensure_passphrase(layout)
    return resolved(machine.environ, layout, settings)


def test_a_users_login_counts_beside_the_projects_own_home(
    users: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    (tmp_path / "backend").mkdir()
    pulumi(users, layout.project, "login", (tmp_path / "backend").as_uri())
    credentials = tmp_path / "home" / ".pulumi" / "credentials.json"
    before = credentials.read_bytes()
    environ = prepared({**users, "PULUMI_CONFIG_PASSPHRASE": "mine"}, layout)
    assert f"Backend URL: {(tmp_path / 'backend').as_uri()}" in pulumi(environ, layout.project, "whoami", "-v")
    pulumi(environ, layout.project, "stack", "select", "--create", "dev")
    assert (tmp_path / "backend" / ".pulumi" / "stacks" / "model-webservice" / "dev.json").exists()
    assert credentials.read_bytes() == before
    assert not layout.state.exists()


def test_without_a_login_state_lies_in_the_project_and_secrets_need_its_passphrase(
    users: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    environ = prepared(users, layout)
    pulumi(environ, layout.project, "stack", "select", "--create", "dev")
    pulumi(environ, layout.project, "config", "set", "--secret", "token", "hush")
    assert (layout.state / "stacks" / "model-webservice" / "dev.json").exists()
    assert "hush" not in (layout.project / "stacks" / "Pulumi.dev.yaml").read_text()
    assert pulumi(environ, layout.project, "config", "get", "token").strip() == "hush"
    assert not (tmp_path / "home" / ".pulumi" / "credentials.json").exists()


def test_a_state_in_the_project_has_no_attributes_to_cut_short(users: dict[str, str], layout: Layout) -> None:
    pulumi(prepared(users, layout), layout.project, "stack", "select", "--create", "dev")
    stacks = layout.state / "stacks" / "model-webservice"
    assert {path.name.partition(".json")[2] for path in stacks.iterdir()} <= {"", ".bak"}


def test_a_state_whose_attributes_were_cut_short_is_whole_without_them(users: dict[str, str], layout: Layout) -> None:
    environ = prepared(users, layout) | {"PULUMI_BACKEND_URL": layout.project.as_uri()}
    pulumi(environ, layout.project, "stack", "select", "--create", "dev")
    (layout.state / "stacks" / "model-webservice" / "dev.json.attrs").write_bytes(b"")
    with pytest.raises(AssertionError, match="EOF"):
        pulumi(environ, layout.project, "stack", "export", "--stack", "dev")
    for path in locks.cut_short(environ, "model-webservice", "dev"):
        path.unlink()
    assert "deployment" in pulumi(environ, layout.project, "stack", "export", "--stack", "dev")


def test_a_salt_of_another_passphrase_does_not_stop_a_new_stack(users: dict[str, str], layout: Layout) -> None:
    pulumi(prepared(users, layout), layout.project, "stack", "select", "--create", "dev")
    assert "encryptionsalt:" in (layout.project / "stacks" / "Pulumi.dev.yaml").read_text()
    shutil.rmtree(layout.state)
    environ = prepared(users, layout)
    with pytest.raises(AssertionError, match="incorrect passphrase"):
        pulumi(environ, layout.project, "stack", "select", "--create", "dev")
    assert state.forget_salt(layout, "dev", "model-webservice")
    pulumi(environ, layout.project, "stack", "select", "--create", "dev")
