"""What a scoring script needs: the packages that a conda file, a requirements file or a list names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from components import conda_file, requirement_lines
from components.conda_names import BUILT_IN
from components.package_indexes import PackageIndexes
from components.problems import Problem
from components.requirement_lines import Line

# CPython's micro versions of one minor version share their ABI; none has had more of them than this.
_MICRO_VERSIONS = range(100)


@dataclass(frozen=True)
class Dependencies:
    """Packages to lock and install.

    Attributes:
        requirements: PEP 508 requirements, in the order given, each once.
        python: a PEP 440 specifier of the Python they were made for, such as "==3.11.*"; None for any.
        constraints: PEP 508 requirements that limit versions without asking for the package.
        hashes: by normalised name, the hashes ("sha256:...") that a package's files may have; any when not named.
        origins: by normalised name, where the package is asked for ("conda package py-opencv in myenv.yml").
        notes: what was left out or read otherwise, for the user to be told.
        indexes: where packages come from besides the machine's settings.
    """

    requirements: tuple[str, ...] = ()
    python: str | None = None
    constraints: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    indexes: PackageIndexes = field(default_factory=PackageIndexes)


def read_conda_file(path: Path) -> Dependencies:
    """Read a conda environment file.

    Conda names become those of the Python package index. Native libraries that wheels carry themselves, and Azure's own
    server, are left out with a note; channels, the environment's name and conda's own keys do not matter here.

    Raises:
        Problem: the file is unreadable, or names something that has no counterpart among Python packages.
    """
    environment = conda_file.read(path)
    return merge(_collect(environment.lines), Dependencies(python=environment.python, notes=environment.notes))


def read_requirements_file(path: Path) -> Dependencies:
    """Read a pip requirements file, with those that it names by ``-r`` and ``-c``.

    Raises:
        Problem: a file is unreadable, or has a line that a scoring image cannot have.
    """
    return _collect(requirement_lines.read_file(path))


def inline(packages: Sequence[str]) -> Dependencies:
    """Read PEP 508 requirements given one by one, such as ``["numpy", "scikit-learn==1.7.2"]``.

    Raises:
        Problem: one of them is no requirement.
    """
    if isinstance(packages, str):
        raise Problem(
            f"packages is the text {packages!r}; give a list of requirements, such as ['numpy', 'scikit-learn==1.7.2']."
        )
    lines = (
        Line(f"packages, number {n}", requirement_lines.parse_requirement(text.strip(), f"packages, number {n}"))
        for n, text in enumerate(packages, 1)
    )
    return _collect(lines)


def merge(*parts: Dependencies) -> Dependencies:
    """All of several dependencies; whether they can be met together, the resolver says.

    Raises:
        Problem: they name different main package indexes.
    """
    pythons = [part.python for part in parts if part.python]
    hashes: dict[str, tuple[str, ...]] = {}
    origins: dict[str, str] = {}
    indexes = PackageIndexes()
    for part in parts:
        for name, values in part.hashes.items():
            hashes[name] = tuple(dict.fromkeys((*hashes.get(name, ()), *values)))
        origins |= part.origins
        indexes = indexes + part.indexes
    return Dependencies(
        requirements=_once(text for part in parts for text in part.requirements),
        python=str(SpecifierSet(",".join(pythons))) if pythons else None,
        constraints=_once(text for part in parts for text in part.constraints),
        hashes=hashes,
        origins=origins,
        notes=_once(text for part in parts for text in part.notes),
        indexes=indexes,
    )


def check_python(python: str | None, image_python: str) -> None:
    """Check that the image's Python meets a pin.

    Args:
        python: a PEP 440 specifier, or None for no pin.
        image_python: the image's version; of "3.11" any micro version counts as met, as all share one ABI.

    Raises:
        Problem: the pin cannot be met.
    """
    if python is None:
        return
    allowed = SpecifierSet(python)
    image = Version(image_python)
    candidates = [f"{image_python}.{micro}" for micro in _MICRO_VERSIONS] if len(image.release) == 2 else [image_python]
    if not any(allowed.contains(candidate, prereleases=True) for candidate in candidates):
        raise Problem(
            f"the dependencies ask for Python {python}, but the image has Python {image_python}. Change the pin to "
            f"python={image.major}.{image.minor}, or give a baseImage, and its pythonVersion, that meet it."
        )


def _collect(lines: Iterable[Line]) -> Dependencies:
    """The dependencies that lines amount to, without what the scoring image has built in."""
    parts = []
    for line in lines:
        if line.requirement is None:
            parts.append(Dependencies(indexes=line.indexes))
            continue
        name, text = str(canonicalize_name(line.requirement.name)), str(line.requirement)
        hashes = {name: line.hashes} if line.hashes else {}
        if name in BUILT_IN:
            note = f"{line.origin}: {name} left out; the scoring server and azureml's import names are built in"
            parts.append(Dependencies(notes=(note,)))
        elif line.is_constraint:
            parts.append(Dependencies(constraints=(text,), hashes=hashes))
        else:
            parts.append(Dependencies((text,), hashes=hashes, origins={name: line.origin}))
    return merge(*parts)


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
