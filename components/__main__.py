"""The components as a Pulumi plugin, for programs in every language that Pulumi has.

The language host runs this folder from its consumer's working directory, so what it needs is found from `__file__`.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

# Python puts the folder that it runs on the path; the package is in the folder above, its modules are not top-level.
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path or ".").resolve() != FOLDER)]

# ruff: noqa: E402 - the components are found by the path that is set above
from pulumi import ComponentResource, InputPropertiesError, Inputs, ResourceOptions
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from components import reporting
from components.container_webservice import ContainerWebservice
from components.model_artifact import ModelArtifact
from components.scoring_image import ScoringImage

NAME = "model-webservice"
SECRETS = {"model-webservice:index:ContainerWebservice": ("primaryKey", "secondaryKey")}
"""Inputs that every language's types make secrets of, given as such or not."""

COMPONENTS: list[type[ComponentResource]] = [ModelArtifact, ScoringImage, ContainerWebservice]


class Provider(ComponentProvider):
    """The components' provider; a user's mistake is told by its message, other errors with their traceback."""

    def __init__(self, components: list[type[ComponentResource]], name: str) -> None:
        super().__init__(components, name)
        # The schema is read from the arguments' annotations, which have no word for secrets.
        schema = json.loads(self.schema or "{}")
        for token, inputs in SECRETS.items():
            for each in inputs:
                schema["resources"][token]["inputProperties"][each]["secret"] = True
        self.schema = json.dumps(schema)

    def construct(
        self, name: str, resource_type: str, inputs: Inputs, options: ResourceOptions | None = None
    ) -> ConstructResult:
        """Create the component of a type; raise `InputPropertiesError` for a user's mistake."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, InputPropertiesError):
                raise error.inner from None
            raise


def serve() -> None:
    """Serve the components until the engine is done with them."""
    reporting.error_of = lambda message: InputPropertiesError(message, [])
    main(Provider(COMPONENTS, NAME), sys.argv[1:])


if __name__ == "__main__":
    serve()
