"""Stacks of many services: how long a `pulumi up` that changes nothing takes, and the memory that it needs."""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.deployment import EMPTY
from bench.server.servers import memory_mb, tree
from tests.e2e.project import Project, check_out, plain_service

SAMPLE_SECONDS = 0.1
PARTS = {"pulumi-language-python-exec": "program", "pulumi-resource-docker": "plugin", "pulumi up": "engine"}
"""The parts of an `up`, by what is in their command lines."""


class Cost(NamedTuple):
    """What one run of the engine took."""

    seconds: float
    peaks: dict[str, float]
    """The largest resident memory of each part in MB of 10**6 bytes; `all` is that of all processes at one time."""


class Stack:
    """A stack with a number of services, all of one small image; the empty program when that is 0."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        folder.mkdir(parents=True)
        checkout = check_out(folder / "checkout")
        if count == 0:
            for name, text in EMPTY.items():
                (checkout / name).write_text(text)
            for path in (checkout / "stacks").glob("Pulumi.*.yaml"):
                path.unlink()
        self.project = Project(checkout, folder / "state", f"many-{count}")
        if count:
            settings = plain_service(checkout, f"m{count}", imageName=f"m{count}", modelName=f"m{count}")
            small = {"style": "image", "cpuCores": 0.5, "memoryGb": 0.1}
            services = [{"name": f"m{count}-{number:03}", **small} for number in range(count)]
            self.project.configure({**settings, "services": services, "waitTimeout": 600})

    def run(self, verb: str) -> Cost:
        """Run `pulumi up` or `pulumi destroy`; raise `RuntimeError` with its output when it fails."""
        command = ["pulumi", verb, "--yes", "--non-interactive", "--color", "never", "--stack", self.project.stack.name]
        peaks: dict[str, float] = {}
        over = threading.Event()
        started = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=self.project.checkout,
            env={**os.environ, **self.project.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            watch = threading.Thread(target=sample, args=(process.pid, peaks, over))
            watch.start()
            output, _ = process.communicate()
            seconds = time.monotonic() - started
            over.set()
            watch.join()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{output}")
        return Cost(seconds, peaks)


def sample(pid: int, peaks: dict[str, float], over: threading.Event) -> None:
    """Keep the largest memory of each part of the process `pid` in `peaks` until it is over."""
    while not over.wait(SAMPLE_SECONDS):
        total = 0.0
        for one in tree(pid):
            try:
                command = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                used = memory_mb(one, "Rss")
            except (OSError, RuntimeError):
                continue  # it has ended
            total += used
            for mark, part in PARTS.items():
                if mark in command:
                    peaks[part] = max(peaks.get(part, 0), used)
                    break
        peaks["all"] = max(peaks.get("all", 0), total)


def measure(folder: Path, counts: Sequence[int], rounds: int, say: Callable[[str], None]) -> dict[int, float]:
    """Return the seconds of a `pulumi up` that changes nothing, by number of services.

    Args:
        folder: a folder to make.
        counts: numbers of services; 0 is an empty program.
        rounds: how often each is measured, in turns.
        say: takes a line for each step.
    """
    stacks = [Stack(folder / str(count), count) for count in counts]
    seen: dict[int, list[Cost]] = {count: [] for count in counts}
    for stack in stacks:
        say(f"{stack.count} services: {told('up', stack.run('up'))}")
    for number in range(1, rounds + 1):
        for stack in stacks:
            seen[stack.count].append(stack.run("up"))
        times = ", ".join(f"{count} services {costs[-1].seconds:.1f} s" for count, costs in seen.items())
        say(f"round {number} of {rounds}: no-change up {times}")
    noop = {count: statistics.median(cost.seconds for cost in costs) for count, costs in seen.items()}
    memory = {count: statistics.median(cost.peaks["all"] for cost in costs) for count, costs in seen.items()}
    for count, costs in seen.items():
        say(f"{count} services: {told('no-change up', costs[-1])}")
    filled = [count for count in counts if count] or [0]
    fewest, most = min(filled), max(filled)
    if most > fewest:
        more = most - fewest
        say(
            f"growth per service, from {fewest} to {most}: {(noop[most] - noop[fewest]) / more * 1000:.0f} ms and "
            f"{(memory[most] - memory[fewest]) / more:.2f} MB of a no-change up"
        )
    for stack in stacks:
        say(f"{stack.count} services: {told('destroy', stack.run('destroy'))}")
    return noop


def told(what: str, cost: Cost) -> str:
    """Return a run's time and memory as text."""
    parts = ", ".join(f"{part} {mb:.0f} MB" for part, mb in sorted(cost.peaks.items()))
    return f"{what} {cost.seconds:.1f} s, at most {parts}"
