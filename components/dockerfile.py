"""The text of the Dockerfiles that are built: pure functions of what goes in."""

import json
from collections.abc import Mapping, Sequence

APP_ROOT = "/var/azureml-app"
"""Azure ML's place for the application in the container."""

MODELS_ROOT = f"{APP_ROOT}/azureml-models"
RECORDS_ROOT = "/opt/model-records"
"""Where the digests and samples of models lie, as `<name>/<version>/`, out of the way of scripts that list models."""

DEPENDENCIES_ROOT = "/opt/dependencies"
SERVER_ROOT = "/opt/server"
COMMAND = "/usr/local/bin/azmlinfsrv"
"""Starts the server with the flags of Azure ML's, for compose files and scripts that name it."""

PORT = 5001
"""The port that the server listens on in the container, as the reference server's."""

HEALTH_PORT = 5000
"""The port that answers health checks, and nothing else, where the other one wants TLS."""

USER = "10001:10001"
"""A user and group id that no base image gives a name or files to."""

LABEL_PREFIX = "model-webservice"

MODEL_DIGESTS = "SCORING_MODEL_DIGESTS"
"""The variable of an image that says which models it holds."""


def label_lines(labels: Mapping[str, str]) -> list[str]:
    """Return one `LABEL` instruction a label, sorted, with `$` kept from being expanded."""
    return [f"LABEL {quoted(key)}={quoted(value)}" for key, value in sorted(labels.items())]


def quoted(text: str) -> str:
    """Return `text` as one double-quoted word of a Dockerfile.

    Inside double quotes only the backslash, the quote and `$` are special; a line break would end the instruction.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\r\n", "\n").replace("\n", " ") + '"'


def model_dockerfile(layer: str, labels: Mapping[str, str]) -> str:
    """Return the Dockerfile of a model image: nothing but the model's files and what is known of them."""
    return "\n".join(["FROM scratch", f"ADD {layer} /", *label_lines(labels), ""])


def scoring_dockerfile(
    *,
    base_image: str,
    dependencies: str,
    server: str,
    models: Sequence[str],
    script: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    extra_steps: Sequence[str] = (),
) -> str:
    """Return the Dockerfile of a scoring image, its layers in the order in which they change least often.

    Args:
        base_image: what it starts from, with Python.
        dependencies, server, script: names of layer archives in the build context.
        models: references of model images; each holds its files where they belong.
        environment: variables of the server.
        labels: what is known of the image.
        extra_steps: the user's own instructions, for the base image.
    """
    return "\n".join(
        [
            f"FROM {base_image}",
            *(["USER 0:0", *extra_steps] if extra_steps else []),
            f"ADD {dependencies} /",
            f"ADD {server} /",
            *(f"COPY --from={reference} / /" for reference in models),
            f"ADD {script} /",
            *(f"ENV {key}={quoted(value)}" for key, value in sorted(environment.items())),
            *label_lines(labels),
            f"WORKDIR {APP_ROOT}",
            f"USER {USER}",
            f"EXPOSE {PORT}",
            "ENTRYPOINT []",
            f"CMD {json.dumps(['python3', '-m', 'scoring_server'])}",
            "",
        ]
    )


def gateway_dockerfile(*, base_image: str, script: str, command: Sequence[str], labels: Mapping[str, str]) -> str:
    """Return the Dockerfile of a gateway's image: HAProxy and the script that runs it.

    Args:
        base_image: what it starts from, with HAProxy and bash.
        script: name of the layer archive with the script in the build context.
        command: what runs.
        labels: what is known of the image.
    """
    return "\n".join(
        [
            f"FROM {base_image}",
            f"ADD {script} /",
            *label_lines(labels),
            f"USER {USER}",
            f"EXPOSE {PORT}",
            "STOPSIGNAL SIGTERM",
            "ENTRYPOINT []",
            f"CMD {json.dumps(list(command))}",
            "",
        ]
    )


def scoring_environment(
    *,
    entry_script: str,
    models: Sequence[tuple[str, str]],
    digests: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables that the image sets.

    Args:
        entry_script: the script's path below the application's root.
        models: (name, version) of each model in the image. Azure ML names one model's folder, or the root of several.
        digests: the sha256 that each model was registered with, by `name/version`.
    """
    model_dir = f"{MODELS_ROOT}/{models[0][0]}/{models[0][1]}" if len(models) == 1 else MODELS_ROOT
    known = {MODEL_DIGESTS: json.dumps(dict(digests), sort_keys=True)} if digests else {}
    return {
        **known,
        "AML_APP_ROOT": APP_ROOT,
        "AZUREML_ENTRY_SCRIPT": entry_script,
        "AZUREML_MODEL_DIR": model_dir,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{SERVER_ROOT}:{DEPENDENCIES_ROOT}",
        "PYTHONUNBUFFERED": "1",
    }


def models_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of each model, by `name:version`, from the variables that an image sets."""
    digests = json.loads(environment.get(MODEL_DIGESTS, "{}"))
    return {":".join(place.rpartition("/")[::2]): str(digest) for place, digest in digests.items()}
