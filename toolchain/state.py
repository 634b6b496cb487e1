"""Where Pulumi keeps the state: with the user's login, or in the project when there is none."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.environment import Setting
from toolchain.layout import Layout

PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
LOGINS = ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")


@dataclass(frozen=True)
class Login:
    """A login of the user's.

    Attributes:
        backend: its address, without a user's name or password; never a token.
        source: what says so.
        credentials: the folder of the credentials file.
    """

    backend: str
    source: str
    credentials: Path


def home_of(environ: Mapping[str, str]) -> Path:
    """The user's own PULUMI_HOME."""
    given = environ.get("PULUMI_HOME")
    return Path(given) if given else Path(environ.get("HOME") or Path.home()) / ".pulumi"


def find_login(environ: Mapping[str, str], project_backend: str = "") -> Login | None:
    """Find the user's login by the rules of Pulumi's command line.

    Args:
        environ: the user's environment.
        project_backend: `backend.url` of Pulumi.yaml.
    """
    folder = Path(environ.get("PULUMI_CREDENTIALS_PATH") or home_of(environ))
    if environ.get("PULUMI_BACKEND_URL"):
        return Login(without_user(environ["PULUMI_BACKEND_URL"]), "PULUMI_BACKEND_URL", folder)
    if project_backend:
        return Login(without_user(project_backend), "Pulumi.yaml", folder)
    current = _stored(folder)
    if current:
        return Login(without_user(current), str(folder / "credentials.json"), folder)
    if environ.get("PULUMI_ACCESS_TOKEN"):
        return Login(without_user(environ.get("PULUMI_API") or "Pulumi Cloud"), "PULUMI_ACCESS_TOKEN", folder)
    return None


def _stored(folder: Path) -> str:
    try:
        return str(json.loads((folder / "credentials.json").read_text()).get("current") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def without_user(address: str) -> str:
    """An address as it may be shown: without a user's name, password or query."""
    return re.sub(r"//[^/@]*@", "//", address).partition("?")[0]


def file_address(folder: Path) -> str:
    """The address with which Pulumi keeps its state in a folder, safe against `kill -9`.

    Pulumi reads the address as a URL: a space or a letter that is not ASCII has to be escaped. `metadata=skip`, because
    the library below its file backend (gocloud.dev/blob/fileblob) writes a state in one step, but the attributes beside
    it in two: killed between them, it leaves an empty file that no later command gets past.
    """
    return folder.absolute().as_uri() + "?metadata=skip"


def settings(layout: Layout, login: Login | None) -> tuple[Setting, ...]:
    """What Pulumi has to be told for its state.

    With a login nothing: state and secrets are the login's affair. Without one the state lies in the project, and its
    secrets are encrypted with a passphrase of the project's, unless the user has one.
    """
    if login:
        return ()
    return (
        # Before the address, which would read as the user's from there on.
        Setting("PULUMI_CONFIG_PASSPHRASE_FILE", str(layout.passphrase), LOGINS, PASSPHRASES),
        Setting("PULUMI_BACKEND_URL", file_address(layout.project), LOGINS),
    )


def ensure_passphrase(layout: Layout) -> bool:
    """Make the file with the passphrase, readable by the user alone, unless it is there.

    Returns:
        Whether it was made.
    """
    layout.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with open(layout.passphrase, "x", opener=_private) as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def forget_salt(layout: Layout, stack: str, project: str) -> bool:
    """Drop the salt of a passphrase that is gone from a stack's configuration, where nothing depends on it.

    Pulumi writes a salt into the stack's configuration, and refuses it under another passphrase, for instance in a
    fresh checkout of a configuration that was committed with it. As long as the stack has no state here and no
    secrets, it is of no use.

    Returns:
        Whether it was dropped.
    """
    configuration = layout.project / "stacks" / f"Pulumi.{stack}.yaml"
    if not configuration.exists() or (layout.state / "stacks" / project / f"{stack}.json").exists():
        return False
    text = configuration.read_text()
    new = without_salt(text)
    if new != text:
        configuration.write_text(new)
    return new != text


def without_salt(text: str) -> str:
    """A stack's configuration without its salt; unchanged when it holds secrets, which only that passphrase opens."""
    if re.search(r"^\s*(?:- )?secure:", text, re.MULTILINE):
        return text
    return re.sub(r"^encryptionsalt:.*\n?", "", text, flags=re.MULTILINE)
