"""Each kind of update of a service with `zeroDowntime`, keys and TLS, under a load: how many requests are lost.

The failing update also tells how long `pulumi up` goes on after the container has exited.
"""

import re
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from pulumi import automation

from tests.e2e.changing import MODEL, Changing
from tests.e2e.load import Load, load
from tests.e2e.project import Project, Run, check_out

SERVICE = "bench-steady"
SCRIPT = "score_steady.py"
KEYS = ("primaryKey", "secondaryKey")
LOADED_KEY = "secondaryKey"
"""The key of the load; the other one is made anew."""

Say = Callable[[str], None]


class Steady(Changing):
    """A stack with one service, and all that changes in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.project = Project(check_out(folder / "checkout"), folder / "state", "bench")
        super().__init__(self.project.checkout, SCRIPT, "tls")
        self.project.configure(
            {
                "services": [{"name": SERVICE, "style": "modelFile"}],
                "modelPath": MODEL,
                "executionScript": SCRIPT,
                "condaFile": "",
                "zeroDowntime": True,
                "waitTimeout": 60,
                **self.access,
            }
        )
        self.key = secrets.token_hex(32)
        for name in KEYS:
            value = self.key if name == LOADED_KEY else secrets.token_hex(32)
            self.project.stack.set_config(f"model-webservice:{name}", automation.ConfigValue(value, secret=True))

    def up(self) -> Run:
        """Run `pulumi up`, which must not fail."""
        run = self.project.up()
        if run.failed:
            raise RuntimeError(run.output)
        return run

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Keep the service busy."""
        uri = self.project.services()[SERVICE]["scoringUri"]
        with load(uri, {"Authorization": f"Bearer {self.key}"}) as made:
            made.wait_for()
            yield made
            made.wait_for()


def measure(folder: Path, rounds: int, say: Say) -> tuple[dict[str, int], float]:
    """Return the requests lost by kind of update, of all rounds, and the seconds from a container's exit to `up`'s end.

    Args:
        folder: a folder to make.
        rounds: how often each kind of update is made.
        say: takes a line for each round.
    """
    steady = Steady(folder)
    steady.up()
    lost = dict.fromkeys(("model", "script", "keys", "certificate", "failing_update"), 0)
    seconds: list[float] = []
    try:
        for number in range(1, rounds + 1):
            told = []
            for kind in lost:
                with steady.load() as made:
                    if kind == "failing_update":
                        seconds.append(fail(steady, number))
                    else:
                        update(steady, kind, number, made)
                lost[kind] += len(made.lost)
                told.append(f"{kind} {len(made.lost)} of {made.total}")
                for reason in made.lost[:5]:
                    say(f"  lost: {reason}")
            say(f"round {number} of {rounds}: lost {', '.join(told)}; exit to error {seconds[-1]:.1f} s")
    finally:
        steady.project.destroy()
    return lost, statistics.median(seconds)


def update(steady: Steady, kind: str, number: int, made: Load) -> None:
    """Make an update of a kind, and wait for the first answer that shows it where one can."""
    if kind == "model":
        steady.write_model(f"{number}")
        steady.up()
        made.wait_for(answer(steady, number))
    elif kind == "script":
        steady.write_script(f"script {number}")
        steady.up()
        made.wait_for(answer(steady, number))
    elif kind == "keys":
        steady.project.scoring("service", "regen-key", "primary").check_returncode()
    else:
        steady.renew_certificate()
        steady.up()


def answer(steady: Steady, number: int) -> str:
    """Return what the service answers now, as JSON, with the model of round `number`."""
    word = re.findall(r"return '(.*) '", (steady.checkout / SCRIPT).read_text())[0]
    return f'"{word} {number}"'


def fail(steady: Steady, number: int) -> float:
    """Make an update whose container exits, then a good one; return the seconds from the exit to the end of `up`."""
    started = time.time()
    steady.write_script("never", f"raise ValueError('no weights {number}')")
    run = steady.project.up()
    ended = time.time()
    if not run.failed or f"no weights {number}" not in run.output:
        raise RuntimeError(f"the update was to fail:\n{run.output}")
    client = docker.from_env()
    try:
        died = client.events(since=int(started), until=int(ended) + 1, filters={"event": "die"}, decode=True)
        # The one that fails, and not the helpers of others: its name is the service's.
        exits = [float(seen["timeNano"]) / 1e9 for seen in died if failed(seen)]
    finally:
        client.close()
    steady.write_script(f"script {number}")
    steady.up()
    return ended - min(exits)


def failed(event: dict[str, dict[str, dict[str, str]]]) -> bool:
    """Whether an event is the exit of a container of the service with an error."""
    seen = event["Actor"]["Attributes"]
    return seen["name"].startswith(SERVICE) and seen["exitCode"] not in ("0", "143", "137")
