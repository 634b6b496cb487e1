"""Samples of a model's input and output: JSON files that become the examples in the service's description."""

import json
from pathlib import Path

from components.problems import Problem

INPUT, OUTPUT = "sample_input.json", "sample_output.json"
LARGEST_BYTES = 100_000
"""A sample is part of the description that every caller may load."""


def check(sample_input: str, sample_output: str) -> dict[str, Path]:
    """Return the given samples by their file's name in the image.

    Raises:
        Problem: a file is missing, larger than 100 kB or not JSON.
    """
    found = {}
    for argument, given, name in (
        ("sampleInputDataset", sample_input, INPUT),
        ("sampleOutputDataset", sample_output, OUTPUT),
    ):
        if given:
            found[name] = check_file(argument, Path(given))
    return found


def check_file(argument: str, path: Path) -> Path:
    """Return `path` of a sample; raise `Problem` when it cannot be one."""
    if not path.is_file():
        raise Problem(f"{argument} is {str(path)!r}, which is no file: give the path of a JSON file with one sample.")
    if path.stat().st_size > LARGEST_BYTES:
        raise Problem(
            f"{argument} {str(path)!r} has {path.stat().st_size} bytes, allowed are {LARGEST_BYTES}: give one sample, "
            "not the data set."
        )
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise Problem(
            f"{argument} {str(path)!r} is not JSON ({error}): give what a caller sends, or gets, as JSON."
        ) from None
    return path
