"""CPU, memory and time limits: from what a user writes to what the engine takes and reads back."""

import math

from components.problems import Problem

MEMORY_MINIMUM_MB = 6
"""Docker Engine refuses less."""


def cpus(cores: float) -> str:
    """Return `cores` as the engine reads it back, e.g. `1.0`, `0.5`, `0.25`.

    Any other spelling (`1`) would replace the container on every update.

    Raises:
        Problem: `cores` is zero, negative, not a number, or finer than a hundredth.
    """
    if not (isinstance(cores, (int, float)) and math.isfinite(cores) and cores > 0):
        raise Problem(f"cpuCores is {cores!r}: give a number above 0, for instance 0.1, 0.5, 1 or 2.")
    if abs(cores * 100 - round(cores * 100)) > 1e-9 or cores < 0.01:
        raise Problem(f"cpuCores is {cores!r}: Docker takes hundredths of a core, for instance {max(cores, 0.01):.2f}.")
    text = f"{cores:.2f}"
    return text[:-1] if text.endswith("0") else text


def worker_count(cores: float) -> int:
    """Return how many workers use `cores`: one for each whole core, half a core counting as one, and at least one."""
    return max(1, math.floor(cores + 0.5))


def memory_mb(gigabytes: float) -> int:
    """Return `gigabytes` (GiB, as Azure ML counts) in MiB.

    Raises:
        Problem: zero, negative, not a number, or below what Docker Engine starts a container with.
    """
    if not (isinstance(gigabytes, (int, float)) and math.isfinite(gigabytes) and gigabytes > 0):
        raise Problem(f"memoryGb is {gigabytes!r}: give a number above 0, for instance 0.5 or 1.")
    megabytes = round(gigabytes * 1024)
    if megabytes < MEMORY_MINIMUM_MB:
        raise Problem(f"memoryGb is {gigabytes!r}: Docker needs at least {MEMORY_MINIMUM_MB} MB (0.006).")
    return megabytes


def duration(seconds: float) -> str:
    """Return `seconds` in Go's canonical form (`30s`, `1m0s`), the only one that does not differ on every refresh."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def positive_seconds(setting: str, value: float) -> int:
    """Return `value` of `setting` as whole seconds; raise `Problem` unless it is 1 or more."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 1):
        raise Problem(f"{setting} is {value!r}: give whole seconds, 1 or more.")
    return int(value)


def port_number(value: float) -> int:
    """Return `value` as a host port, 0 meaning that Docker chooses; raise `Problem` when it is none."""
    if not (isinstance(value, (int, float)) and 0 <= value <= 65535 and value == int(value)):
        raise Problem(f"port is {value!r}: give 1 to 65535, or 0 to let Docker choose a free one.")
    return int(value)


def whole_number(setting: str, value: float, low: int, high: int) -> int:
    """Return `value` of `setting` as a whole number; raise `Problem` unless it is one from `low` to `high`."""
    if isinstance(value, bool) or not (
        isinstance(value, (int, float)) and low <= value <= high and value == int(value)
    ):
        raise Problem(f"{setting} is {value!r}: give a whole number from {low} to {high}.")
    return int(value)
