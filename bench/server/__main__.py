"""`python -m bench.server`: the scoring server beside Azure ML's own and the fastest frameworks.

All serve the same plain script and model, each with one worker on one CPU; the load comes from another. This project's
has what it can do switched on (keys, JSON logs, a request log, a warm-up, compared digests) but TLS, which the peers
are not given either. They run in turns, and each figure is the median of the rounds. Prints what it measures as it
goes; the last line is one JSON object. Needs wrk, which apt installs where this is root, and what `make up` needs.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import joblib

from bench import bounds, say
from bench.server import figures, load
from bench.server.measurements import Bench, spread
from bench.server.servers import all_on, candidates, own
from scoring.mnist import data
from scoring.mnist.train import MODEL
from tests.peer_venv import peer_python
from toolchain.machine import Machine
from toolchain.step import Unavailable

PEERS = Path(__file__).parent / "peers.lock"
FRAMEWORKS = ("raw ASGI + uvicorn", "WSGI + granian")
OURS, BATCHED, DEFAULTS, REFERENCE = "ours", "ours, batched", "ours, by default", "reference"
BOUNDS = [
    *bounds.at_least(vs_reference=4, vs_best_framework=1.5, vs_reference_5_rows=5, vs_best_framework_5_rows=2.5),
    *bounds.at_least(batched_vs_reference=8, two_workers_scaling=1.8),
    *bounds.at_most(ready_ratio=1.3, idle_cpu_percent=0.5, rss_vs_reference=1, p99_vs_best_framework=1),
]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds of each measurement (default: 15)")
    parser.add_argument("--seconds", type=float, default=1, help="how long each load lasts (default: 1)")
    parser.add_argument("--idle-seconds", type=float, default=30, help="how long idle CPU is watched (default: 30)")
    bounds.add_check(parser)
    options = parser.parse_args(argv)
    try:
        wrk = load.find_wrk(Machine.from_environ(os.environ))
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    say("installing the peers, once")
    peers = candidates(peer_python(PEERS))
    model = joblib.load(MODEL)
    digits = data.held_out()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bodies, answers = {}, {}
        for rows in (1, 5):
            bodies[rows] = Path(folder) / f"{rows}.json"
            bodies[rows].write_text(json.dumps({"data": digits[:rows].tolist()}))
            answers[rows] = model.predict(digits[:rows]).tolist()
        bench = Bench(wrk, MODEL, bodies, answers, say)
        settings = all_on(Path(folder), MODEL, bodies[1])
        ours = own(OURS, "score.py", **settings)
        mine = (own(DEFAULTS, "score.py"), ours, own(BATCHED, "score_batch.py", **settings))
        with bench.running([*peers, *mine], bench.server_cpu) as servers:
            seen = bench.throughput(servers, options.rounds, options.seconds)
            memory = {server.name: server.worker_mb() for server in servers}
            for server in servers:
                say(f"{server.name}: {memory[server.name]:.0f} MB in its worker, {server.whole_mb():.0f} MB in all")
        with bench.running([ours], bench.server_cpu) as (server,):
            idle = bench.idle_cpu_percent(server, options.idle_seconds)
        ready = bench.ready_ratios(ours, options.rounds)
        scaling = bench.two_workers_scaling(options.rounds, options.seconds)

    say("")
    for line in figures.table(seen):
        say(line)
    found = {"two_workers_scaling": scaling, "ready_ratio": ready}
    for suffix, rows in (("", 1), ("_5_rows", 5)):
        best = figures.best(seen, FRAMEWORKS, rows=rows, connections=8)
        say(f"best framework at {rows} rows: {best}")
        found[f"vs_reference{suffix}"] = figures.ratios(seen, OURS, REFERENCE, rows=rows, connections=8)
        found[f"vs_best_framework{suffix}"] = figures.ratios(seen, OURS, best, rows=rows, connections=8)
    found["batched_vs_reference"] = figures.ratios(seen, BATCHED, REFERENCE, rows=1, connections=32)
    for name, values in found.items():
        say(f"{name}: {spread(values)}")
    result = {name: median(values) for name, values in found.items()} | {
        "idle_cpu_percent": idle,
        "rss_mb": memory[OURS],
        "rss_vs_reference": memory[OURS] / memory[REFERENCE],
        "p99_vs_best_framework": max(figures.tails(seen, OURS, FRAMEWORKS)),
    }
    return bounds.closing(result, BOUNDS, say, check=options.check, keys=ORDER)


ORDER = (
    "vs_reference",
    "vs_best_framework",
    "vs_reference_5_rows",
    "vs_best_framework_5_rows",
    "batched_vs_reference",
    "two_workers_scaling",
    "ready_ratio",
    "idle_cpu_percent",
    "rss_mb",
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
