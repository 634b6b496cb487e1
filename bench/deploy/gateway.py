"""The gateway's cost: the sample at one row, asked through the gateway and past it, in turns.

Both are asked at their addresses on the service's network, so that Docker's forwarding of ports, which differs from
machine to machine, is in neither. The container has a CPU for itself; the gateway shares the other one with the load,
which is what a gateway costs where it does not take its CPU from the model.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import docker
import requests

from bench.server.load import Rate
from bench.server.load import measure as wrk_measure
from components.dockerfile import PORT
from scoring.mnist import data
from tests.e2e.project import Project, check_out

SERVICE = "bench-fronted"
SETTINGS = {
    "services": [
        {"name": SERVICE, "style": "modelFile", "executionScript": "scoring/mnist/score_file.py", "cpuCores": 1}
    ],
    "zeroDowntime": True,
}
ONE, MANY = 1, 32
"""Connections: one for the latency, which then has no queue in it, several for the throughput, so that the container
has work while gateway and load take turns on their CPU."""


def measure(folder: Path, wrk: Path, rounds: int, seconds: float, say: Callable[[str], None]) -> tuple[float, float]:
    """Return the milliseconds that the gateway adds to the median latency, and its share of the direct throughput.

    Args:
        folder: a folder to make.
        wrk: the load generator.
        rounds: how often each is measured, in turns.
        seconds: how long each load lasts.
        say: takes a line for each round.
    """
    folder.mkdir()
    digits, _ = data.held_out()
    body = folder / "body.json"
    body.write_text(json.dumps({"data": digits[:1].tolist()}))
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        say("one CPU only: load, gateway and container share it, so that the gateway seems dearer than it is")
    with deployed(folder, cpus) as urls:
        answers = {requests.post(url, data=body.read_bytes(), timeout=30).text for url in urls.values()}
        if len(answers) != 1:
            raise RuntimeError(f"the gateway changes answers: {answers}")

        def rate(way: str, connections: int) -> Rate:
            return wrk_measure(wrk, urls[way], body, connections=connections, seconds=seconds, cpus={cpus[-1]})

        for way in urls:
            rate(way, MANY)  # warms up
        added, shares = [], []
        for number in range(1, rounds + 1):
            # Who comes first changes from round to round, as the machine does in between.
            ways = list(urls)[:: 1 if number % 2 else -1]
            before = cpu_seconds()
            latency = {way: rate(way, ONE).p50 for way in ways}
            throughput, busy = {}, {}
            for way in ways:
                ticks = cpu_ticks(cpus)
                throughput[way] = rate(way, MANY).requests
                busy[way] = busy_shares(ticks, cpu_ticks(cpus))
            asked = (throughput["gateway"] + 1000 * ONE / latency["gateway"]) * max(1, round(seconds))
            spent = (cpu_seconds() - before) / asked * 1e6
            added.append(latency["gateway"] - latency["direct"])
            shares.append(throughput["gateway"] / throughput["direct"])
            say(
                f"round {number} of {rounds}: p50 {latency['direct']:.2f} ms direct, {latency['gateway']:.2f} ms "
                f"through the gateway; {throughput['direct']:.0f} and {throughput['gateway']:.0f} requests/s, "
                f"a share of {shares[-1]:.2f}; about {spent:.0f} us of CPU a request in the gateway; "
                f"CPUs busy {busy['direct']} direct, {busy['gateway']} through the gateway"
            )
    return median(added), median(shares)


def cpu_seconds() -> float:
    """Return the CPU time that the gateway has used so far, which a busy machine changes less than the rates."""
    client = docker.from_env()
    try:
        seen = client.api.stats(SERVICE, stream=False)
        return float(seen["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
    finally:
        client.close()


def cpu_ticks(cpus: Sequence[int]) -> list[tuple[int, int]]:
    """Return how long each CPU was busy and idle since the machine started, in the kernel's ticks."""
    lines = {line.split()[0]: line.split()[1:] for line in Path("/proc/stat").read_text().splitlines()}
    found = []
    for cpu in cpus:
        user, nice, system, idle, waiting, *others = map(int, lines[f"cpu{cpu}"][:8])
        found.append((user + nice + system + sum(others), idle + waiting))
    return found


def busy_shares(before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]]) -> str:
    """Return which share of the time between two looks each CPU was busy, in percent."""
    shares = []
    for (busy_before, idle_before), (busy_after, idle_after) in zip(before, after, strict=True):
        busy, idle = busy_after - busy_before, idle_after - idle_before
        shares.append(f"{100 * busy / max(1, busy + idle):.0f} %")
    return " and ".join(shares)


@contextmanager
def deployed(folder: Path, cpus: list[int]) -> Iterator[dict[str, str]]:
    """Deploy the sample behind a gateway, pinned to CPUs; yield where it is asked directly and through the gateway."""
    project = Project(check_out(folder / "checkout"), folder / "state", "bench")
    project.configure(SETTINGS)
    client = docker.from_env()
    try:
        run = project.up()
        if run.failed:
            raise RuntimeError(run.output)
        urls = {}
        for found in client.containers.list():
            name = str(found.name)
            if not name.startswith(SERVICE):
                continue
            is_gateway = name == SERVICE
            found.update(cpuset_cpus=str(cpus[-1] if is_gateway else cpus[0]))
            (network,) = found.attrs["NetworkSettings"]["Networks"].values()
            urls["gateway" if is_gateway else "direct"] = f"http://{network['IPAddress']}:{PORT}/score"
        yield dict(sorted(urls.items()))
    finally:
        client.close()
        project.destroy()
