"""`python -m bench`: what a deployment costs, beside bare Docker and an empty Pulumi program.

Runs on a Docker daemon of its own, so that 'cold' is cold and nothing of the user's is touched. Prints what it measures
as it goes; the last line is one JSON object. Needs root, `dockerd` and what `make up` needs.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench import bounds, deployment, say
from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from tests.e2e.own_daemon import copy_images, own_daemon

BOUNDS = bounds.at_most(cold_up_ratio=1.5, noop_ratio=2, edit_to_answer_s=10, image_mb=360, idle_cpu_percent=0.5)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of each measurement (default: 3)")
    parser.add_argument("--idle-seconds", type=float, default=60, help="how long idle CPU is watched (default: 60)")
    bounds.add_check(parser)
    options = parser.parse_args(argv)

    base = os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, own_daemon() as host:
        copy_images([base], host)
        os.environ["DOCKER_HOST"] = host
        bench = deployment.Bench(Path(folder), say=say)
        rounds = [bench.round(number, options.rounds) for number in range(1, options.rounds + 1)]
        figures = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        figures["image_mb"] = bench.image_mb()
        figures["idle_cpu_percent"] = bench.idle_cpu_percent(options.idle_seconds)
        bench.close()
    return bounds.closing(figures, BOUNDS, say, check=options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
