"""A Pulumi stack of the project as the client reads and changes it, by Pulumi's Automation API."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi import automation

from components.problems import Problem
from components.stack_file import NAMESPACE, StackFile
from scoring import service_settings, stack_state
from scoring.endpoint import FIX
from scoring.service_settings import SERVICES, SettingPath, path_of
from scoring.stack_state import Deployed

PROJECT = Path(__file__).resolve().parent.parent
LOGIN_FIX = "or `source .toolchain/env` for the login and passphrase that it uses"

SAYING_NOTHING = ("update failed", "preview failed", "an unhandled error occurred: program exited with")
"""Beginnings of Pulumi's errors that follow upon others."""

OnOutput = Callable[[str], object]
"""Takes the lines of Pulumi's display as they come."""


class StackError(Problem):
    """A stack that cannot be read or changed; the message says what to do about it."""


class Workspace(automation.LocalWorkspace):
    """The project's workspace. Which stack a user has selected is not the client's to change."""

    def select_stack(self, stack_name: str) -> None:
        """Select nothing: every command names its stack."""


class Stack:
    """A stack of the project.

    Args:
        name: its name; empty for the selected one.
        project: the folder with `Pulumi.yaml`.
        environ: the environment of the Pulumi CLI, which must be on its PATH.

    Raises:
        StackError: there is no Pulumi CLI, or no stack is named or selected.
    """

    def __init__(self, name: str = "", project: Path = PROJECT, environ: Mapping[str, str] = os.environ) -> None:
        self.project = project
        self.environ = {"PULUMI_SKIP_UPDATE_CHECK": "true", **environ}
        with told(f"stack {name} cannot be read" if name else "there is no selected stack: name one with --stack"):
            self.workspace = Workspace(work_dir=str(project), env_vars=self.environ)
            self.name = name or self._run("stack", "--show-name")

    def deployed(self) -> Deployed:
        """Return what the stack has deployed.

        Raises:
            StackError: there is no such stack, or its secrets cannot be read.
        """
        with told(f"stack {self.name} cannot be read"):
            state = self.workspace.export_stack(self.name).deployment or {}
        try:
            return stack_state.read(state)
        except (KeyError, TypeError, ValueError) as error:
            raise StackError(f"stack {self.name} cannot be read: {error}; {FIX}") from error

    def setting(self, key: str) -> Any:
        """Return the value of a key of the project, the declared default where the stack does not set it."""
        with told(f"stack {self.name} cannot be read"):
            found = json.loads(self._run("config", "get", f"{NAMESPACE}:{key}", "--json", "--stack", self.name))
        return found.get("objectValue", found["value"])

    def settings(self) -> dict[str, str]:
        """Return all settings of the project, secrets in plain text: each a text, JSON where it is not a string."""
        with told(f"stack {self.name} cannot be read"):
            found = json.loads(self._run("config", "--json", "--show-secrets", "--stack", self.name))
        own = {key.rpartition(":")[2]: value for key, value in found.items() if key.startswith(f"{NAMESPACE}:")}
        return {key: str(value.get("value", "")) for key, value in own.items()}

    def change(self, service: str, changes: Mapping[str, Any], *, merge: bool = False) -> None:
        """Write settings of a service, which the next `up` puts into effect.

        Comments and order in the settings file stay, and so do secrets: a value in the place of one is one.

        Args:
            service: the service's name.
            changes: values by key of `services`; None takes the key away, so that the stack's own holds.
            merge: whether mappings are put into what holds now, with None taking a name away, or in its place.

        Raises:
            StackError: the stack has no such service.
        """
        place, entry = self._own(service)
        where = (SERVICES, place)
        for key, value in changes.items():
            if merge and isinstance(value, Mapping) and key not in entry:
                # What holds is the stack's own, which the service's takes the place of.
                inherited = self.setting(key) if key in self.file.declared else {}
                value = {name: item for name, item in {**inherited, **value}.items() if item is not None}
            elif merge and isinstance(value, Mapping):
                for name, item in value.items():
                    self._write((*where, key, name), item)
                continue
            self._write((*where, key), value)

    def forget(self, service: str) -> None:
        """Take a service, and the keys that it has for itself, out of the settings; the next `up` removes it.

        Raises:
            StackError: the stack has no such service.
        """
        place, _ = self._own(service)
        self._write((SERVICES, place), None)
        if service in self.setting("keys"):
            self._write(("keys", service), None)

    def set_value(self, path: SettingPath, text: str, *, secret: bool) -> None:
        """Write a value, which no command line shows.

        Raises:
            StackError: it cannot be written.
        """
        command = ["pulumi", "config", "set", "--path", "--non-interactive", "--stack", self.name]
        command += ["--secret"] if secret else []
        done = subprocess.run(
            [*command, "--", f"{NAMESPACE}:{path_of(path)}"],
            cwd=self.project,
            env={**os.environ, **self.environ},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(
                f"{path_of(path)} of stack {self.name} is as it was, as it cannot be set: {reason(done.stderr)}; "
                f"{LOGIN_FIX.removeprefix('or ')}"
            )

    def up(self, on_output: OnOutput | None = None, *, color: str = "never", target: Sequence[str] = ()) -> None:
        """Run `pulumi up`.

        Args:
            on_output: takes the lines of Pulumi's display as they come.
            color: `always` or `never`.
            target: the resources to update, as Pulumi's option; all without any.

        Raises:
            StackError: `up` failed; with what Pulumi said of it.
        """
        with told(f"pulumi up of stack {self.name} failed", fix=""):
            stack = automation.Stack.select(self.name, self.workspace)
            stack.up(on_output=on_output, on_error=on_output, color=color, target=list(target) or None)

    @contextmanager
    def kept_on_failure(self) -> Iterator[None]:
        """Give the settings file back its text when what is done meanwhile fails.

        Raises:
            StackError: what was raised meanwhile, with word of that.
        """
        path = self.settings_file
        before = path.read_bytes() if path.exists() else None
        done = False
        try:
            yield
            done = True
        except StackError as error:
            raise StackError(f"the settings are what they were, as {error}") from error
        finally:
            if not done and before is not None:
                path.write_bytes(before)
            elif not done:
                path.unlink(missing_ok=True)

    @property
    def settings_file(self) -> Path:
        """Where the stack's own settings are."""
        return self.file.path

    @property
    def file(self) -> StackFile:
        """The stack's settings as its files have them now."""
        return StackFile(self.project, self.name)

    def _own(self, service: str) -> tuple[int, Mapping[str, Any]]:
        """Return place and entry of a service in the stack's own list, to which the default is copied if need be."""
        services = self.setting(SERVICES)
        names = [str(one.get("name", "")) for one in services]
        if service not in names:
            raise StackError(
                f"stack {self.name} has no service {service!r}; its settings have {', '.join(names) or 'none'}."
            )
        if SERVICES not in self.file.own:
            self._write((SERVICES,), services)
        place = names.index(service)
        return place, services[place]

    def _write(self, path: SettingPath, value: Any) -> None:
        """Write one value in place of what is there; None removes it."""
        own = self.file.own
        steps = service_settings.steps(path, value, lambda leaf: service_settings.is_secret(own, leaf))
        with told(f"stack {self.name} cannot be changed"):
            for gone in steps.removed_before:
                self._remove(gone)
            if steps.plain:
                config = {f"{NAMESPACE}:{path_of(leaf)}": automation.ConfigValue(text) for leaf, text in steps.plain}
                self.workspace.set_all_config(self.name, config, path=True)
            for leaf, text in steps.secret:
                self.set_value(leaf, text, secret=True)
            for gone in steps.removed_after:
                self._remove(gone)

    def _remove(self, path: SettingPath) -> None:
        self.workspace.remove_config(self.name, f"{NAMESPACE}:{path_of(path)}", path=True)

    def _run(self, *arguments: str) -> str:
        done = self.workspace.pulumi_command.run(list(arguments), str(self.project), self.environ)
        return str(done.stdout).strip()


@contextmanager
def told(what: str, fix: str = f"; {FIX}, {LOGIN_FIX}") -> Iterator[None]:
    """Turn what the Automation API raises into `StackError`."""
    try:
        yield
    except automation.errors.CommandError as error:
        raise StackError(f"{what}: {reason(str(error))}{fix}") from error
    except (automation.errors.InvalidVersionError, FileNotFoundError) as error:
        raise StackError(
            "there is no pulumi on PATH that fits; run `source .toolchain/env`, or `make up` if there is no such file"
        ) from error


def reason(output: str) -> str:
    """Return the errors in a failed command's output, each once, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = dict.fromkeys(line.partition("error: ")[2].rstrip(".") for line in lines if "error: " in line)
    telling = [error for error in errors if not error.startswith(SAYING_NOTHING)] or list(errors)[:1]
    return "; ".join(telling) or (lines[-1] if lines else "pulumi gave no reason")
