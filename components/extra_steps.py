"""Extra steps of an image's build (`docker_file`): which of Docker's instructions are allowed, and why not the rest.

They run as root on the base image, before everything else is added. What they may not do is what the image promises
otherwise: a user without rights, the server as its command, locked packages, and no files but those that are digested.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.problems import Problem

ALLOWED = ("RUN", "ENV", "ARG", "LABEL", "SHELL", "WORKDIR")

REFUSED: Mapping[str, str] = {
    "FROM": "the image starts from baseImage: set that",
    "USER": "the server runs as a user without rights",
    "ENTRYPOINT": "the image's command is the server",
    "CMD": "the image's command is the server",
    "COPY": "files come by dependencies, beside the script: then they are part of the image's digest",
    "ADD": "files come by dependencies, beside the script: then they are part of the image's digest",
    "EXPOSE": "the server's port is the only one",
    "VOLUME": "the container's file system is read-only, but for a small /tmp",
    "HEALTHCHECK": "the service has its own",
    "STOPSIGNAL": "the server finishes its requests on SIGTERM",
    "ONBUILD": "nothing is built from this image",
    "MAINTAINER": "give description or tags",
}
INSTALLERS = re.compile(r"\b(pip3?|conda|mamba|uv)\s+(?:-?[\w-]+\s+)*?(install|add)\b")
RESERVED = re.compile(r"AML_APP_ROOT|AZUREML_\w+|SCORING_\w+|PYTHONPATH|SERVICE_NAME|WORKER_COUNT")


def read(path: Path) -> list[str]:
    """Return the instructions in a file with extra steps, each on a line of its own.

    Raises:
        Problem: the file cannot be read, or holds an instruction that is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"dockerFile {str(path)!r} cannot be read: {error}. Give a text file with Docker steps."
        ) from None
    found = [
        check(instruction, f"dockerFile {str(path)!r} line {number}") for number, instruction in instructions(text)
    ]
    if not found:
        raise Problem(f"dockerFile {str(path)!r} has no steps: drop it, or give one such as RUN apt-get ...")
    return found


def instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction with the line that it starts on; comments are left out, continued lines joined."""
    parts: list[str] = []
    start = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start = start if parts else number
        parts.append(line.removesuffix("\\").rstrip())
        if not line.endswith("\\"):
            yield start, " ".join(parts)
            parts = []
    if parts:
        yield start, " ".join(parts)


def check(instruction: str, where: str) -> str:
    """Return an instruction, its word in capitals; raise `Problem` when it is not allowed."""
    word, _, rest = instruction.partition(" ")
    word, rest = word.upper(), rest.strip()
    if word not in ALLOWED:
        why = REFUSED.get(word, "Docker knows no such instruction")
        raise Problem(f"{where}: {word} is not allowed: {why}. Allowed: {', '.join(ALLOWED)}.")
    if re.search(r"(?<!<)<<-?['\"]?\w", rest):
        raise Problem(f"{where}: here-documents are not supported by every Docker Engine: join commands with &&.")
    installer = INSTALLERS.search(rest) if word == "RUN" else None
    if installer:
        raise Problem(
            f"{where}: {installer[0]!r} installs packages that are not locked: name them in condaFile, "
            "requirementsFile or packages."
        )
    if word in ("ENV", "ARG") and (reserved := RESERVED.match(rest)):
        raise Problem(f"{where}: {reserved[0]} is set by the image itself: drop it.")
    if word == "LABEL" and rest.strip("\"'").startswith("model-webservice."):
        raise Problem(f"{where}: labels that begin with model-webservice. are the image's own: give another.")
    return f"{word} {rest}"
