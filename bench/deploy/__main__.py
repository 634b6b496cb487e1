"""`python -m bench.deploy`: what updates, failures, many services and the gateway cost.

Runs on a Docker daemon of its own. What is compared runs in turns, and each figure is the median of the rounds. Prints
what it measures as it goes; the last line is one JSON object. Needs root, `dockerd`, wrk, which apt installs where this
is root, and what `make up` needs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import bounds, say
from bench.deploy import gateway, scale, updates
from bench.server.load import find_wrk
from components import gateway_image
from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from tests.e2e.own_daemon import copy_images, networks_open, own_daemon
from toolchain.machine import Machine
from toolchain.step import Unavailable

BOUNDS = [*bounds.at_most(lost_requests=0, exit_to_error_s=10), *bounds.at_least(gateway_throughput_share=0.9)]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.deploy", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of each measurement (default: 3)")
    parser.add_argument("--seconds", type=float, default=3, help="how long each load on the gateway lasts (default: 3)")
    parser.add_argument(
        "--services",
        type=int,
        nargs="+",
        default=[0, 1, 10, 100],
        metavar="N",
        help="sizes of the stacks that are deployed again without a change (default: 0 1 10 100)",
    )
    bounds.add_check(parser)
    options = parser.parse_args(argv)
    try:
        wrk = find_wrk(Machine.from_environ(os.environ))
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    bases = [
        os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE),
        os.environ.get(gateway_image.BASE_IMAGE_VARIABLE, gateway_image.BASE_IMAGE),
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, networks_open(), own_daemon() as host:
        copy_images(bases, host)
        os.environ["DOCKER_HOST"] = host
        folder = Path(name)
        lost, exit_to_error = updates.measure(folder / "updates", options.rounds, say)
        added, share = gateway.measure(folder / "gateway", wrk, options.rounds, options.seconds, say)
        noop = scale.measure(folder / "scale", options.services, options.rounds, say)
    figures: bounds.Figures = {
        "lost_requests": lost,
        "exit_to_error_s": exit_to_error,
        "noop_s": {str(count): seconds for count, seconds in noop.items()},
        "gateway_p50_added_ms": added,
        "gateway_throughput_share": share,
    }
    return bounds.closing(figures, BOUNDS, say, check=options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
