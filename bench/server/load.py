"""The load: wrk, pinned to CPUs of its own."""

import json
import os
import subprocess
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from toolchain import apt
from toolchain.machine import Machine
from toolchain.step import Unavailable

POST = Path(__file__).parent / "apps" / "post.lua"
SPARE_SECONDS = 30


@dataclass(frozen=True)
class Rate:
    """What one run of the load saw.

    Attributes:
        requests: answered in a second.
        p50: median of the latencies, in milliseconds.
        p99: 99th percentile of the latencies, in milliseconds.
    """

    requests: float
    p50: float
    p99: float


def find_wrk(machine: Machine) -> Path:
    """Return wrk, from PATH or installed by apt.

    Raises:
        Unavailable: it is not there and cannot be installed.
    """
    found = machine.which("wrk")
    if found is None:
        if why := apt.obstacle(machine):
            raise Unavailable(f"wrk is not on PATH, and {why}; install it, for instance with 'apt-get install wrk'")
        apt.install(machine, ["wrk"])
        found = machine.which("wrk")
    if found is None:
        raise Unavailable("wrk is not on PATH after its installation")
    return found


def measure(
    wrk: Path, url: str, body: Path, *, connections: int, seconds: float, cpus: AbstractSet[int], key: str = ""
) -> Rate:
    """Post a body over and over, with a key where there is one.

    Raises:
        RuntimeError: a request failed.
    """
    command = [
        str(wrk),
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "-s",
        str(POST),
        url,
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "BENCH_BODY": str(body), "BENCH_KEY": key},
        capture_output=True,
        text=True,
        timeout=seconds + SPARE_SECONDS,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    if done.returncode:
        raise RuntimeError(f"wrk {url}: {done.stdout}{done.stderr}")
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["failed"]:
        raise RuntimeError(f"{seen['failed']} of {seen['requests']} requests to {url} failed")
    return Rate(seen["requests"] / (seen["duration"] / 1e6), seen["p50"] / 1e3, seen["p99"] / 1e3)
