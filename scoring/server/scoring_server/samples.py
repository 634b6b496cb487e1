"""Samples of a script's input and output, JSON files that become the examples in the service's description."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator

from .logs import LOGGER
from .settings import Settings

logger = logging.getLogger(LOGGER)

INPUT, OUTPUT = "sample_input.json", "sample_output.json"
LARGEST = 1024 * 1024  # characters; every caller may load the description


def read(settings: Settings, name: str) -> object:
    """The sample of that name: beside the script, else registered with a model; {} without any.

    A file that cannot be used is told in the log and changes nothing else: it is there for people to try the service.
    """
    for path in _paths(settings, name):
        try:
            with open(path, encoding="utf-8-sig") as file:
                text = file.read(LARGEST + 1)
            if len(text) > LARGEST:
                raise ValueError(f"it is longer than {LARGEST} characters")
            value: object = json.loads(text, parse_constant=_refuse)
        except FileNotFoundError:
            if name == INPUT and settings.sample_input:
                logger.warning("There is no sample input: SCORING_SAMPLE_INPUT leads to %s, which does not exist", path)
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("The sample %s cannot be used: %s", path, error)
        else:
            return value
    return {}


def _paths(settings: Settings, name: str) -> Iterator[str]:
    if name == INPUT and settings.sample_input:
        yield os.path.join(settings.app_root, settings.sample_input)
        return
    yield os.path.join(os.path.dirname(settings.script_path), name)
    yield from (os.path.join(settings.model_records, place, name) for place in sorted(settings.model_digests))


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which JSON does not have")
