"""The images that others start from: Docker's own, or Debian's where those cannot be pulled.

Scoring images start from one with Python, gateways from one with HAProxy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import docker.errors
import requests

from toolchain import apt, debian_image
from toolchain.console import Console
from toolchain.daemon import Daemon, reason
from toolchain.environment import Setting
from toolchain.machine import Machine
from toolchain.step import Unavailable, Way, first_that_works

STALL_SECONDS = 30


@dataclass(frozen=True)
class Base:
    """An image to start from.

    Attributes:
        part: its name among the toolchain's parts.
        image: Docker's own.
        fall_back: the name of the one that is made in its place.
        variable: what names the user's own, and the fall-back to the components.
        content: what has to be in it, for people.
        recipe: what the fall-back is made of.
    """

    part: str
    image: str
    fall_back: str
    variable: str
    content: str
    recipe: debian_image.Recipe

    @property
    def fix(self) -> str:
        """What the user can do when there is none."""
        return (
            f"Let the daemon pull {self.image}, or load it (docker load), or name in {self.variable} an image with "
            f"{self.content} that it has, then run again."
        )


PYTHON = Base(
    "base image",
    "python:3.11-slim",
    "model-webservice-base:python3.11",
    "MODEL_WEBSERVICE_BASE_IMAGE",
    "Python 3.11",
    debian_image.PYTHON,
)
GATEWAY = Base(
    "gateway image",
    "haproxy:2.8",
    "model-webservice-base:haproxy2.6",
    "MODEL_WEBSERVICE_GATEWAY_IMAGE",
    "HAProxy 2.6 or newer and bash",
    debian_image.GATEWAY,
)


def ways(
    machine: Machine, daemon: Daemon, images: frozenset[str], wanted: str, refresh: bool, base: Base = PYTHON
) -> Iterator[Way]:
    """How to come by the image.

    Args:
        machine: this machine.
        daemon: where the image is needed.
        images: what the daemon has, by tag, out of the images that matter here.
        wanted: the image that the user names, empty for none; it is not replaced by another.
        refresh: whether to try to pull although the fall-back is there.
        base: which image it is.
    """
    name, fall_back_name = wanted or base.image, base.fall_back
    yield Way("there", f"{name} in the daemon", "" if name in images else "not there", name)
    obstacle = "" if fall_back_name in images else "not made yet"
    fall_back = Way("there", f"{fall_back_name} in the daemon", obstacle, fall_back_name)
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


def ensure(machine: Machine, daemon: Daemon, console: Console, *, refresh: bool = False, base: Base = PYTHON) -> str:
    """Find the image, pull it or make Debian's.

    Returns:
        The image's name.

    Raises:
        StepError: none can be had.
    """
    wanted = machine.environ.get(base.variable, "")

    def there(way: Way) -> str:
        console.found(base.part, way.value)
        return way.value

    def pull_it(way: Way) -> str:
        with console.activity(base.part, f"pulling {way.value}"):
            pull(daemon, way.value)
        console.made(base.part, f"{way.value}, pulled")
        return way.value

    def build(_: Way) -> str:
        with console.activity(base.part, f"making Debian's {base.content} with mmdebstrap"):
            size = debian_image.make(machine, daemon, base.fall_back, base.recipe)
        console.made(
            base.part, f"{base.fall_back}, {size // 10**6} MB, {base.recipe.title}, as {base.image} cannot be pulled"
        )
        return base.fall_back

    def install(way: Way) -> str:
        with console.activity(base.part, "installing mmdebstrap"):
            apt.install(machine, ["mmdebstrap"])
        return build(way)

    names = {wanted} if wanted else {base.image, base.fall_back}
    actions = {"there": there, "pull": pull_it, "build": build, "install": install}
    surveyed = ways(machine, daemon, images_of(daemon, names), wanted, refresh, base)
    return first_that_works(f"the {base.part}", surveyed, actions, base.fix)[0]


def found(machine: Machine, daemon: Daemon, base: Base) -> str:
    """The image's name when the daemon has it, or its fall-back, already; else an empty text."""
    wanted = machine.environ.get(base.variable, "")
    names = (wanted,) if wanted else (base.image, base.fall_back)
    there = images_of(daemon, set(names))
    return next((name for name in names if name in there), "")


def images_of(daemon: Daemon, names: set[str]) -> frozenset[str]:
    """Which of these images the daemon has."""
    with contextlib.closing(daemon.client()) as client:
        # Not by images.list(), which inspects each: one that is removed meanwhile would be an error.
        images = client.api.images()
    return frozenset(tag for image in images for tag in (*(image["RepoTags"] or ()), image["Id"]) if tag in names)


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


def settings(name: str, base: Base = PYTHON) -> tuple[Setting, ...]:
    """What tells the components to start from the fall-back."""
    return (Setting(base.variable, name, (base.variable,)),) if name == base.fall_back else ()
