"""The measurements, each interleaved: what is compared runs in turns, so that a slow moment slows all."""

import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.server import load
from bench.server.figures import Setting
from bench.server.load import Rate
from bench.server.servers import KEY, Candidate, Server, own
from components.readiness import HEALTH_CHECK

ROWS, CONNECTIONS = (1, 5), (8, 32)
WARM_UP_SECONDS = 1
HEAVY_CONNECTIONS = 8
HEALTH_CHECK_SECONDS = 10.0
"""How often a deployed container asks for its health."""

Say = Callable[[str], None]


class Bench:
    """What all measurements share.

    Attributes:
        wrk: the load generator.
        model: the sample's model.
        bodies: a file with a request by its rows.
        answers: what is right for each, by rows.
        server_cpu: the CPU of the servers; the load has the other, where there is another.
    """

    def __init__(self, wrk: Path, model: Path, bodies: dict[int, Path], answers: dict[int, object], say: Say) -> None:
        self.wrk, self.model, self.bodies, self.answers, self.say = wrk, model, bodies, answers, say
        self.cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.load_cpu = {self.cpus[0]}, {self.cpus[-1]}
        if len(self.cpus) == 1:
            say("one CPU only: the load and the servers share it, so that every figure is too low")

    @contextmanager
    def running(self, candidates: Sequence[Candidate], cpus: set[int]) -> Iterator[list[Server]]:
        """All of the servers at once, checked for right answers and warmed up."""
        with ExitStack() as stack:
            servers = []
            for candidate in candidates:
                server = Server(candidate, self.model, cpus)
                stack.callback(server.close)
                for rows, body in self.bodies.items():
                    said = server.answer(body.read_bytes())
                    if said != self.answers[rows]:
                        raise RuntimeError(f"{server.name} says {said}, right is {self.answers[rows]}")
                self.load(server, ROWS[0], CONNECTIONS[0], WARM_UP_SECONDS)
                servers.append(server)
            yield servers

    def load(self, server: Server, rows: int, connections: int, seconds: float) -> Rate:
        """Measure one server once."""
        return load.measure(
            self.wrk,
            server.url,
            self.bodies[rows],
            connections=connections,
            seconds=seconds,
            cpus=self.load_cpu,
            key=KEY,
        )

    def throughput(self, servers: Sequence[Server], rounds: int, seconds: float) -> dict[Setting, list[Rate]]:
        """Measure all servers at all sizes, in turns."""
        seen: dict[Setting, list[Rate]] = defaultdict(list)
        for number in range(1, rounds + 1):
            for rows in ROWS:
                for connections in CONNECTIONS:
                    for server in servers:
                        rate = self.load(server, rows, connections, seconds)
                        seen[Setting(server.name, rows, connections)].append(rate)
            parts = (f"{server.name} {seen[Setting(server.name, 1, 8)][-1].requests:.0f}" for server in servers)
            self.say(f"round {number} of {rounds}: {', '.join(parts)} requests/s (1 row, 8 connections)")
        return seen

    def two_workers_scaling(self, rounds: int, seconds: float) -> list[float]:
        """How many times the requests of one worker two answer, on all CPUs, with a run() of some 20 ms."""
        # One thread for each worker's libraries, lest a single worker takes both CPUs.
        pair = [
            own(f"{count} workers", "score_heavy.py", WORKER_COUNT=str(count), OMP_NUM_THREADS="1") for count in (1, 2)
        ]
        found = []
        with self.running(pair, set(self.cpus)) as (one, two):
            for _ in range(rounds):
                alone = self.load(one, 1, HEAVY_CONNECTIONS, seconds).requests
                found.append(self.load(two, 1, HEAVY_CONNECTIONS, seconds).requests / alone)
        return found

    def ready_ratios(self, candidate: Candidate, rounds: int) -> list[float]:
        """From start to the first 200, in times of what importing scikit-learn and loading the model takes alone."""
        found = []
        for _ in range(rounds):
            alone = self._seconds_to_load()
            server = Server(candidate, self.model, self.server_cpu)
            server.close()
            found.append(server.seconds_to_ready / alone)
            self.say(f"{candidate.name}: ready after {server.seconds_to_ready:.2f} s, bare loading {alone:.2f} s")
        return found

    def _seconds_to_load(self) -> float:
        code = "import sys, sklearn, joblib; joblib.load(sys.argv[1])"
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", code, str(self.model)],
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.server_cpu),
        )
        return time.monotonic() - started

    def idle_cpu_percent(self, server: Server, seconds: float) -> float:
        """CPU of a server without requests, its health checks included, in percent of one CPU."""
        check = [part.replace("/5001", f"/{server.port}") for part in HEALTH_CHECK[1:]]
        before, children = server.cpu_seconds(), os.times()
        started = time.monotonic()
        checks = 0
        while (passed := time.monotonic() - started) < seconds:
            if passed >= checks * HEALTH_CHECK_SECONDS:
                subprocess.run(check, check=True)
                checks += 1
            time.sleep(min(1.0, seconds - passed))
        after, now = server.cpu_seconds(), os.times()
        used = after - before + now.children_user - children.children_user
        used += now.children_system - children.children_system
        return used / (time.monotonic() - started) * 100


def spread(values: Sequence[float]) -> str:
    """A median with its extremes, as text."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
