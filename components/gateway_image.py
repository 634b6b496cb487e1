"""The build context of a gateway's image: HAProxy, and the script that runs it on files that change."""

import os
from collections.abc import Mapping
from pathlib import Path

from components import dockerfile, layers, staging

BASE_IMAGE = "haproxy:2.8"
BASE_IMAGE_VARIABLE = "MODEL_WEBSERVICE_GATEWAY_IMAGE"
"""Names another image with HAProxy and bash."""

SCRIPT = "/opt/gateway/gateway.sh"
COMMAND = ("bash", SCRIPT)
SCRIPT_LAYER = "gateway.tar"


def stage(
    image_name: str, stack: str, component: str, platform: str, environ: Mapping[str, str] = os.environ
) -> staging.Context:
    """Lay the script's layer and the Dockerfile, and return the context."""
    folder = staging.context_folder(stack, component)
    source = Path(__file__).with_name("gateway.sh")
    digest = layers.write_layer(folder / SCRIPT_LAYER, {SCRIPT.lstrip("/"): source})
    base = environ.get(BASE_IMAGE_VARIABLE) or BASE_IMAGE
    # The name is among the labels so that no two images are one to Docker: removing two names of one at once fails.
    labels = {f"{dockerfile.LABEL_PREFIX}.image.name": image_name, "org.opencontainers.image.base.name": base}
    text = dockerfile.gateway_dockerfile(base_image=base, script=SCRIPT_LAYER, command=COMMAND, labels=labels)
    staging.keep_only(folder, [SCRIPT_LAYER, "Dockerfile"])
    return staging.finish(folder, text, [digest], platform)
