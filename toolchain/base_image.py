"""The image that scoring images start from: Docker's Python, or Debian's where that cannot be pulled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker.errors
import requests

from toolchain import apt, debian_image
from toolchain.console import Console
from toolchain.daemon import Daemon, reason
from toolchain.environment import Setting
from toolchain.machine import Machine
from toolchain.step import Unavailable, Way, first_that_works

PART = "base image"
IMAGE = "python:3.11-slim"
FALL_BACK = "model-webservice-base:python3.11"
VARIABLE = "MODEL_WEBSERVICE_BASE_IMAGE"
STALL_SECONDS = 30
FIX = (
    f"Let the daemon pull {IMAGE}, or load it (docker load), or name in {VARIABLE} an image with Python 3.11 that "
    "it has, then run again."
)


def ways(machine: Machine, daemon: Daemon, images: frozenset[str], wanted: str, refresh: bool) -> Iterator[Way]:
    """How to come by the image.

    Args:
        machine: this machine.
        daemon: where the image is needed.
        images: what the daemon has, by tag, out of the images that matter here.
        wanted: the image that the user names, empty for none; it is not replaced by another.
        refresh: whether to try to pull although the fall-back is there.
    """
    name = wanted or IMAGE
    yield Way("there", f"{name} in the daemon", "" if name in images else "not there", name)
    fall_back = Way("there", f"{FALL_BACK} in the daemon", "" if FALL_BACK in images else "not made yet", FALL_BACK)
    if not wanted and not refresh:
        yield fall_back
    yield Way("pull", f"docker pull {name}", "", name)
    if wanted:
        return
    if refresh:
        yield fall_back
    obstacle = ""
    if daemon.architecture != machine.architecture():
        obstacle = f"the daemon's processor is {daemon.architecture}, this machine's {machine.architecture()}"
    installed = machine.which("mmdebstrap") is not None
    yield Way("build", "mmdebstrap", obstacle or ("" if installed else "it is not installed"))
    if not installed:
        yield Way("install", "apt-get install mmdebstrap", obstacle or apt.obstacle(machine))


def ensure(machine: Machine, daemon: Daemon, console: Console, *, refresh: bool = False) -> str:
    """Find the image, pull it or make Debian's.

    Returns:
        The image's name.

    Raises:
        StepError: none can be had.
    """
    wanted = machine.environ.get(VARIABLE, "")

    def there(way: Way) -> str:
        console.found(PART, way.value)
        return way.value

    def pull_it(way: Way) -> str:
        with console.activity(PART, f"pulling {way.value}"):
            pull(daemon, way.value)
        console.made(PART, f"{way.value}, pulled")
        return way.value

    def build(_: Way) -> str:
        with console.activity(PART, "making Debian's Python 3.11 with mmdebstrap"):
            size = debian_image.make(machine, daemon, FALL_BACK)
        console.made(PART, f"{FALL_BACK}, {size // 10**6} MB, Debian's Python 3.11, as {IMAGE} cannot be pulled")
        return FALL_BACK

    def install(way: Way) -> str:
        with console.activity(PART, "installing mmdebstrap"):
            apt.install(machine, ["mmdebstrap"])
        return build(way)

    names = {wanted} if wanted else {IMAGE, FALL_BACK}
    actions = {"there": there, "pull": pull_it, "build": build, "install": install}
    surveyed = ways(machine, daemon, images_of(daemon, names), wanted, refresh)
    return first_that_works("the base image", surveyed, actions, FIX)[0]


def images_of(daemon: Daemon, names: set[str]) -> frozenset[str]:
    """Which of these images the daemon has."""
    with contextlib.closing(daemon.client()) as client:
        return frozenset(tag for image in client.images.list() for tag in (*image.tags, image.id) if tag in names)


def pull(daemon: Daemon, name: str) -> None:
    """Pull an image; a registry that says nothing for half a minute counts as out of reach.

    Raises:
        Unavailable: it cannot be pulled.
    """
    try:
        with contextlib.closing(daemon.client(STALL_SECONDS)) as client:
            for event in client.api.pull(name, stream=True, decode=True):
                if "error" in event:
                    raise Unavailable(" ".join(str(event["error"]).split()))
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise Unavailable(reason(error)) from None


def settings(name: str) -> tuple[Setting, ...]:
    """What tells the components to start from the fall-back."""
    return (Setting(VARIABLE, name, (VARIABLE,)),) if name == FALL_BACK else ()
