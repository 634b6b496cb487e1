"""`Webservice`: a deployed service, after Azure ML's class of that name: call it, look at it, change it, remove it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from components import readiness
from scoring import key_rotation, service_containers, service_settings
from scoring.endpoint import FIX, Endpoint, ServiceError
from scoring.service_containers import ServiceContainer
from scoring.stack import OnOutput, Stack, StackError
from scoring.stack_state import Deployed

POLL_SECONDS = 0.5


class Webservice:
    """A service of a stack.

    What the stack says of it is read when this is made and by `refresh`, what the Docker daemon says when it is asked
    for.

    Args:
        name: the service's name.
        stack: the stack that deploys it, or that stack's name; empty for the selected one.

    Raises:
        StackError: there is no such stack or service.
    """

    def __init__(self, name: str, stack: Stack | str = "") -> None:
        self.name = name
        self.stack = stack if isinstance(stack, Stack) else Stack(stack)
        self._deployed = self.stack.deployed()
        if name not in self._deployed.names:
            raise StackError(
                f"stack {self.stack.name} has no service {name!r}; it has {', '.join(self._deployed.names) or 'none'}."
            )

    @classmethod
    def list(cls, stack: Stack | str = "") -> "Sequence[Webservice]":
        """Return the services that a stack has deployed, sorted by name.

        Raises:
            StackError: there is no such stack.
        """
        found = stack if isinstance(stack, Stack) else Stack(stack)
        deployed = found.deployed()
        return [cls._read(name, found, deployed) for name in deployed.names]

    @classmethod
    def _read(cls, name: str, stack: Stack, deployed: Deployed) -> "Webservice":
        service = cls.__new__(cls)
        service.name, service.stack, service._deployed = name, stack, deployed
        return service

    def refresh(self) -> None:
        """Read again what the stack says.

        Raises:
            StackError: the stack cannot be read.
        """
        self._deployed = self.stack.deployed()

    @property
    def described(self) -> Mapping[str, Any]:
        """What the stack's output `services` says of it; empty when its first deployment has not succeeded."""
        return self._deployed.services.get(self.name, {})

    @property
    def endpoint(self) -> Endpoint:
        """Where and how it is called.

        Raises:
            StackError: its first deployment has not succeeded.
        """
        if not (known := self.described):
            raise StackError(f"{self.name} has no address, as it was never deployed with success: see its log; {FIX}")
        certificate = known.get("sslCertPemFile")
        try:
            return Endpoint(
                self.name,
                known["scoringUri"],
                style=known.get("style", ""),
                image=known.get("image", ""),
                image_id=known.get("imageId", ""),
                models=tuple(known.get("models", ())),
                keys=tuple(self._deployed.keys.get(self.name, {}).values()),
                address=known.get("address", ""),
                certificate_file=str(self.stack.project / certificate) if certificate else "",
            )
        except ValueError as error:
            raise StackError(f"stack {self.stack.name} cannot be read: {error}; {FIX}") from error

    @property
    def scoring_uri(self) -> str:
        """Where to POST data to be scored."""
        return self.endpoint.scoring_uri

    @property
    def swagger_uri(self) -> str:
        """Where the service describes its interface."""
        return self.endpoint.swagger_uri

    @property
    def state(self) -> str:
        """What the Docker daemon and the service say now: `Healthy`, `Transitioning`, `Unhealthy`, or `Failed`.

        A service with several containers is as well as the best of them; one without any has failed. One that is not
        published where its outputs say, as when Docker started it again on another port, is unhealthy.
        """
        return service_containers.state_of(self._containers(), self._port)

    def run(self, input_data: bytes | str) -> object:
        """Score input data (JSON text) and return the decoded JSON of the answer.

        When its keys are refused, they are read from the stack again, and tried once if they were made anew since.

        Raises:
            ServiceError: no answer, an answer other than 2xx, or one that is not JSON.
        """
        endpoint = self.endpoint
        try:
            return endpoint.run(input_data)
        except ServiceError as error:
            if error.status != 401:
                raise
            self.refresh()
            if self.endpoint.keys == endpoint.keys:
                raise
        return self.endpoint.run(input_data)

    def get_logs(self, num_lines: int = 5000) -> str:
        """Return the last log lines of its containers, of those that have ended too, in the order of their times."""
        containers = [container for container in self._containers() if not container.is_gateway]
        logs = {container.name: container.stamped_tail(num_lines) for container in containers}
        return "\n".join(service_containers.merged(logs, num_lines))

    def get_keys(self) -> tuple[str, str]:
        """Return the primary and the secondary key.

        Raises:
            StackError: the service asks for no key.
        """
        keys = self._deployed.keys.get(self.name)
        if not keys:
            raise StackError(f"{self.name} asks for no keys: set authEnabled to true and run `pulumi up`.")
        return keys["primary"], keys["secondary"]

    def regen_key(self, key: str, on_output: OnOutput | None = None, *, color: str = "never") -> None:
        """Make its `primary` or `secondary` key anew; the other one stays valid, and nothing is started again.

        The service has a key of its own from then on.

        Raises:
            Problem: it asks for no keys, or the update failed.
        """
        key_rotation.regenerate(key.lower(), service=self.name, stack=self.stack, on_output=on_output, color=color)
        self.refresh()

    def update(
        self, on_output: OnOutput | None = None, *, merge: bool = False, color: str = "never", **settings: Any
    ) -> None:
        """Change settings of the service and run `pulumi up`; when that fails, the settings are what they were.

        As every `pulumi up`, it also deploys what else has changed in the stack's settings and files.

        Args:
            on_output: takes the lines of Pulumi's display as they come.
            merge: whether mappings add to what the service has, with None taking a name away, or take its place.
            color: `always` or `never`: whether the lines have colours.
            settings: any of the service's, in snake case: `cpu_cores=0.5`, `tags={...}`; None for the stack's own.

        Raises:
            Problem: a setting that a service does not have, or `pulumi up` failed.
        """
        changes = service_settings.checked(settings)
        with self.stack.kept_on_failure():
            self.stack.change(self.name, changes, merge=merge)
            self.stack.up(on_output, color=color)
        self.refresh()

    def wait_for_deployment(
        self, show_output: bool = False, timeout: float = 300.0, on_output: OnOutput = print
    ) -> str:
        """Wait until all its containers are ready and return its state, `Healthy`.

        Args:
            show_output: whether to give state and log lines to `on_output` as they come.
            timeout: seconds until it is given up.
            on_output: takes the lines; printed unless given.

        Raises:
            Problem: a container ended, is gone, or did not get ready in time; with its last log lines.
        """
        end = time.monotonic() + timeout
        said = ""

        def say(line: str) -> None:
            if show_output:
                on_output(line)

        def say_state(line: str) -> None:
            # Its seconds go on: a line for each change of state is enough.
            nonlocal said
            state = line.partition(",")[0]
            if state != said:
                said = state
                say(state)

        while not (waited := [one for one in self._containers() if not (one.is_gateway or one.is_leaving)]):
            if time.monotonic() > end:
                raise StackError(f"{self.name} has no container after {timeout:g} s. Run `pulumi up`.")
            time.sleep(POLL_SECONDS)
            self.refresh()
        for container in waited:
            readiness.wait_until_ready(
                container,
                service=self.name,
                timeout=max(0.0, end - time.monotonic()),
                say=say,
                say_state=say_state,
            )
        if self.state != readiness.HEALTHY:
            address = self.described.get("address", "its address")
            raise StackError(
                f"{self.name} is ready, but not at {address}: it was started again, on another port, or its gateway "
                "does not run. Run `pulumi up`."
            )
        return readiness.HEALTHY

    def delete(self, on_output: OnOutput | None = None, *, color: str = "never") -> None:
        """Take the service out of the settings and run `pulumi up`; when that fails, the settings are what they were.

        Raises:
            Problem: `pulumi up` failed.
        """
        with self.stack.kept_on_failure():
            self.stack.forget(self.name)
            self.stack.up(on_output, color=color)

    def serialize(self) -> dict[str, Any]:
        """Return what is known of the service as JSON values, its keys left out."""
        seen = self._containers()
        serving = [one for one in seen if not one.is_gateway]
        return {
            "name": self.name,
            **self.described,
            "state": service_containers.state_of(seen, self._port),
            **(serving[0].limits | serving[0].described if serving else {}),
            "containers": [one.summary for one in seen],
        }

    @property
    def _port(self) -> int:
        """The port that its outputs say; 0 when they do not."""
        port = str(self.described.get("address", "")).rpartition(":")[2]
        return int(port) if port.isdecimal() else 0

    def _containers(self) -> "Sequence[ServiceContainer]":
        """Its containers that are still there, and their gateway.

        Raises:
            Problem: the Docker daemon does not answer.
        """
        return service_containers.find(self._deployed.containers_of(self.name))
