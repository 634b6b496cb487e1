"""Conda environment files (environment.yml, myenv.yml), read with the line of everything in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from components import conda_names, conda_specs, requirement_lines
from components.problems import Problem
from components.requirement_lines import Line

# Which channel serves a package, and what the environment is called, make no difference in an image.
_WITHOUT_EFFECT = frozenset({"name", "prefix", "channels", "platforms", "category"})


@dataclass(frozen=True)
class CondaEnvironment:
    """What a conda file asks for: requirement lines, a PEP 440 specifier of Python or None, and notes for the user."""

    lines: tuple[Line, ...]
    python: str | None
    notes: tuple[str, ...]


def read(path: Path) -> CondaEnvironment:
    """Read a conda file; raise ``Problem`` when it is unreadable or asks for what is no Python package."""
    lines: list[Line] = []
    pythons: list[str] = []
    notes: list[str] = []
    bundled: list[str] = []
    for key, node in _top_level(path):
        if key != "dependencies":
            if key not in _WITHOUT_EFFECT:
                notes.append(f"{path.name}: {key!r} has no effect on the image{_INSTEAD.get(key, '')}")
            continue
        for item in _items(node, path, "dependencies"):
            origin = f"{path.name}, line {item.start_mark.line + 1}"
            if isinstance(item, yaml.MappingNode):
                lines += _pip_part(item, path)
                continue
            spec = conda_specs.parse(_text(item, path))
            if spec.name == "python":
                pythons.append(spec.specifier())
            elif spec.name == "pip":
                continue
            elif conda_names.is_bundled(spec.name):
                bundled.append(spec.name)
            else:
                name = _pypi_name(spec.name, origin)
                lines.append(Line(f"conda package {spec.name} in {origin}", Requirement(name + spec.specifier())))
    if bundled:
        notes.append(f"{path.name}: {', '.join(bundled)} left out; the base image and the wheels bring their own")
    python = ",".join(filter(None, pythons))
    return CondaEnvironment(tuple(lines), python or None, tuple(notes))


_INSTEAD = {"variables": "; give environment variables in the service's settings"}


def _pypi_name(name: str, origin: str) -> str:
    if name in conda_names.BUILD_CHOICES:
        raise Problem(
            f"{origin}: the conda package {name!r} chooses a build of PyTorch and has no counterpart for pip. Take it "
            "out, and name the index of the build that you want with --extra-index-url in the 'pip:' part."
        )
    if conda_names.is_native(name):
        raise Problem(
            f"{origin}: the conda package {name!r} is not a Python package and cannot be installed by pip. Take it "
            "out, and give a baseImage that has it if the script needs it."
        )
    return conda_names.PYPI_NAMES.get(name, name)


def _top_level(path: Path) -> Iterator[tuple[str, yaml.Node]]:
    text = requirement_lines.read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "its end"
        raise _unreadable(path, place, error.problem or error.context) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"line {before.count(chr(10)) + 1}, column {error.position - before.rfind(chr(10))}"
        raise _unreadable(path, place, error.reason) from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise _misshapen(path, root, "a conda file is a mapping with the key 'dependencies'")
    seen: set[str] = set()
    for key, node in root.value:
        name = _text(key, path)
        if name in seen:
            raise _misshapen(path, key, f"the key {name!r} is there twice, and only one of them would count: join them")
        seen.add(name)
        yield name, node


def _items(node: yaml.Node, path: Path, what: str) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return []
    raise _misshapen(path, node, f"{what!r} has to be a list, each line with '- ' before it")


def _text(node: yaml.Node, path: Path) -> str:
    if isinstance(node, yaml.ScalarNode) and node.value:
        return str(node.value)
    raise _misshapen(path, node, "a package such as 'numpy=1.26' is expected here")


def _pip_part(node: yaml.MappingNode, path: Path) -> Iterator[Line]:
    for key, value in node.value:
        if _text(key, path) != "pip":
            raise _misshapen(path, key, f"{_text(key, path)!r} is not supported below 'dependencies', only 'pip' is")
        for item in _items(value, path, "pip"):
            for _, text in requirement_lines.logical_lines(_text(item, path)):
                yield from requirement_lines.read_line(
                    text, f"{path.name}, line {item.start_mark.line + 1}", path.parent
                )


def _unreadable(path: Path, place: str, reason: object) -> Problem:
    return Problem(
        f"{str(path)!r} is not readable YAML: {place}: {reason}. Correct it there: a conda file is a mapping with a "
        "list 'dependencies', a package such as 'numpy=1.26' a line, indented by blanks."
    )


def _misshapen(path: Path, node: yaml.Node, what: str) -> Problem:
    mark = node.start_mark
    return Problem(f"{str(path)!r}, line {mark.line + 1}, column {mark.column + 1}: {what}.")
