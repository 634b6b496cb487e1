"""Names and references of services, images and models: what is allowed, and how one becomes the other.

The rule for service names is Azure ML's (`AciWebservice`): 3 to 32 characters, lower-case letters, digits and dashes,
starting with a letter. Repository names and tags follow the distribution reference grammar that Docker uses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from components.problems import Problem

DOCKER_HUB = "docker.io"
"""The registry of images whose name begins with none."""

MODEL_REPOSITORY = "models"
"""Registered models are images named `models/<name>:<version>`."""

SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{2,31}")
REPOSITORY_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
RESERVED_VERSIONS = ("gateway", "replica", "localhost")
"""Names that resources or hosts beside the versions have."""

MODEL_NAME_LENGTH = 255
HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
HOST_NAME_LENGTH = 253


def check_service_name(name: str) -> str:
    """Return `name`; raise `Problem` when Azure ML would not take it as a service's name."""
    if SERVICE_NAME.fullmatch(name):
        return name
    suggestion = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")[:32].rstrip("-")
    hint = f", for instance {suggestion!r}" if SERVICE_NAME.fullmatch(suggestion) and suggestion != name else ""
    raise Problem(
        f"the service name {name!r} is not allowed: 3 to 32 characters, lower-case letters, digits and dashes, "
        f"starting with a letter. Rename the service{hint}."
    )


def check_host_name(setting: str, name: str) -> str:
    """Return `name` in lower case; raise `Problem` when it cannot be a host's name (RFC 1123, section 2.1)."""
    labels = name.split(".")
    if len(name) > HOST_NAME_LENGTH or not all(HOST_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise Problem(
            f"{setting} is {name!r}: give a host name without scheme, port or path, for instance mnist.example.com: "
            "labels of 1 to 63 letters, digits and dashes, with dots between them."
        )
    return name.lower()


def check_dns_label(setting: str, label: str) -> str:
    """Return `label` in lower case; raise `Problem` when it cannot be one label of a host's name."""
    if not HOST_LABEL.fullmatch(label) or label.isdigit():
        raise Problem(
            f"{setting} is {label!r}: give one label of a host name, for instance mnist: 1 to 63 letters, digits and "
            "dashes, no dots, not digits alone."
        )
    return label.lower()


def camel(name: str) -> str:
    """Return a Python name as Pulumi's languages write it."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def check_version_name(name: str) -> str:
    """Return `name` of a service's version; raise `Problem` when it cannot be a name in DNS and of a resource."""
    if re.fullmatch(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", name) and name not in RESERVED_VERSIONS:
        return name
    raise Problem(
        f"the version name {name!r} is not allowed: 1 to 32 lower-case letters, digits and dashes, starting with a "
        f"letter, not ending with a dash, and not {' or '.join(RESERVED_VERSIONS)}."
    )


def check_image_name(name: str) -> str:
    """Return `name` of an image, without tag or digest; raise `Problem` when Docker would not take it."""
    registry, slash, rest = name.rpartition("/")
    if ":" in rest or "@" in rest:
        raise Problem(
            f"the image name {name!r} carries a tag or digest: the tag is made from the image's content. "
            f"Give {registry + slash + re.split('[:@]', rest)[0]!r}."
        )
    parts = (registry.split("/") if slash else []) + [rest]
    first_may_be_host = len(parts) > 1 and re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?", parts[0])
    wrong = [p for p in parts[1 if first_may_be_host else 0 :] if not REPOSITORY_COMPONENT.fullmatch(p)]
    if wrong:
        raise Problem(
            f"the image name {name!r} is not allowed: {wrong[0]!r} must be lower-case letters and digits, "
            "separated by single dots, one or two underscores, or dashes."
        )
    return name


def check_model_name(name: str) -> str:
    """Return `name` of a model; raise `Problem` when it cannot be a folder below `azureml-models`."""
    if not name or len(name) > MODEL_NAME_LENGTH or "/" in name or name in (".", "..") or not name.isprintable():
        raise Problem(
            f"the model name {name!r} is not allowed: 1 to {MODEL_NAME_LENGTH} printable characters without a slash."
        )
    repository_of_model(name)
    return name


def check_model_version(version: str) -> str:
    """Return `version` of a model; raise `Problem` when it cannot be a tag."""
    if TAG.fullmatch(version):
        return version
    raise Problem(
        f"the model version {version!r} is not allowed: 1 to 128 letters, digits, dots, dashes and underscores, "
        "starting with a letter, digit or underscore. Give such a version, or none: then it is made from the content."
    )


def repository_of_model(name: str) -> str:
    """Return the repository of the model `name`: `models/` and the name in Docker's alphabet.

    Model names may hold upper-case letters and blanks, repositories may not; the true name is kept in a label.
    """
    component = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    component = re.sub(r"[._-]{2,}", lambda run: "__" if run[0] == "__" else run[0][0], component).strip("._-")
    if not REPOSITORY_COMPONENT.fullmatch(component):
        raise Problem(f"the model name {name!r} has no letter a-z and no digit: give one that has.")
    return f"{MODEL_REPOSITORY}/{component}"


@dataclass(frozen=True)
class ModelReference:
    """A registered model as a caller names it; without a version the newest is meant."""

    repository: str
    """Empty for any."""
    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags that it must have; an empty value stands for any."""

    def __str__(self) -> str:
        return f"{self.repository}:{self.version}" if self.version else self.repository


def parse_model_reference(text: str) -> ModelReference:
    """Read `name`, `name:version` or `models/name:version`, with or without a registry before it.

    Tags that the model must have may follow, as `name?stage=prod&approved`, or stand alone, as `?stage=prod`.

    Raises:
        Problem: the text is none of these.
    """
    given, _, query = text.strip().partition("?")
    rest, at, _ = given.partition("@")
    head, slash, last = rest.rpartition("/")
    name, colon, version = last.partition(":")
    tags = dict(parse_qsl(query, keep_blank_values=True))
    if not given and tags:
        return ModelReference("", tags=tags)
    if at or not name or (colon and not TAG.fullmatch(version)):
        raise Problem(
            f"{text!r} is not a model reference: give 'name', 'name:version', 'name?tag=value', '?tag=value', or the "
            "'reference' output of a ModelArtifact."
        )
    if not slash:
        return ModelReference(repository_of_model(name), version, tags)
    return ModelReference(check_image_name(f"{head}/{name}"), version, tags)


def registry_of(name: str) -> str:
    """Return the host of the registry that an image's name begins with; empty when it names none."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def home_of(name: str) -> str:
    """Return the host of the registry that an image is pulled from: Docker Hub for one whose name begins with none."""
    host = registry_of(name)
    return DOCKER_HUB if host in ("", f"index.{DOCKER_HUB}") else host


def repository_and_tag(reference: str) -> tuple[str, str]:
    """Return the repository of an image's name, with its host, and the digest or else the tag: `latest` without one."""
    named, _, digest = reference.partition("@")
    head, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", digest or tag or "latest"


def same_repository(one: str, other: str) -> bool:
    """Return whether a repository is one that is asked for: the same, its end where no registry is named, or any."""
    return not other or one == other or (not registry_of(other) and one.endswith(f"/{other}"))


def check_registry(address: str) -> str:
    """Return `address` of a registry, `host[:port][/path]` without a slash at its end; raise `Problem` otherwise."""
    plain = re.sub(r"^https?://", "", address.strip()).rstrip("/")
    if not registry_of(f"{plain}/x") or not plain:
        raise Problem(
            f"the registry's address {address!r} is not allowed: give host[:port][/path], the host with a dot or a "
            "port, such as registry.example.com/team or localhost:5000."
        )
    check_image_name(f"{plain}/x")
    return plain
