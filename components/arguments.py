"""Arguments by name: unknown ones are refused, Azure ML's own with the reason why they have no place here."""

import difflib
from collections.abc import Mapping
from typing import Any

from components.problems import Problem

MODEL: Mapping[str, str] = {
    "workspace": "there is no workspace: the stack, and the Docker daemon or registry that it uses, take its place",
    "asset_path": "it is modelPath: give that",
    "show_output": "Pulumi always shows what is done",
    "run_id": "there are no runs here: record one as a property",
    "experiment_name": "there are no experiments here: record one as a property",
}
"""Parameters of `Model.register` without a counterpart."""

IMAGE: Mapping[str, str] = {
    "workspace": MODEL["workspace"],
    "show_output": MODEL["show_output"],
    "cuda_version": "CUDA comes with baseImage: give one that has it, and enableGpu",
    "allow_legacy_images": "there are none",
}
"""Parameters of `ContainerImage.image_configuration` and `ContainerImage.create` without a counterpart."""


def check(args: Mapping[str, Any], allowed: type, refused: Mapping[str, str], where: str = "") -> None:
    """Refuse arguments that are not declared, which Python itself lets pass.

    Args:
        args: what is given.
        allowed: the TypedDict that declares the arguments.
        refused: reasons by the names that are known and have no place.
        where: what the arguments are of, for the message.

    Raises:
        Problem: one is not declared.
    """
    names = sorted(allowed.__annotations__)
    for name in sorted(set(args) - set(names)):
        if name in refused:
            raise Problem(f"{where}{name} is given, which is not supported: {refused[name]}. Drop it.")
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise Problem(f"unknown argument {where}{name!r}.{hint} Allowed: {', '.join(names)}.")
