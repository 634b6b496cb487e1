"""What the bench of deployments tells from what it sees."""

import os
import subprocess
import sys
import threading

import pytest

from bench.deploy.scale import Cost, sample, told
from bench.deploy.updates import failed
from bench.server.servers import tree


@pytest.mark.parametrize(
    ("name", "code", "is_failure"),
    [
        ("bench-steady-replica-1-0a1b2c3", "1", True),
        ("bench-steady-replica-1-0a1b2c3", "143", False),
        ("bench-steady-replica-1-0a1b2c3", "0", False),
        ("another", "1", False),
    ],
)
def test_only_an_exit_of_the_service_with_an_error_is_its_failure(name: str, code: str, is_failure: bool) -> None:
    assert failed({"Actor": {"Attributes": {"name": name, "exitCode": code}}}) is is_failure


def test_the_memory_of_all_processes_is_added_up_and_kept_at_its_largest() -> None:
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "pulumi-resource-docker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert process.pid in tree(os.getpid())
        peaks, over = {"plugin": 1.0, "all": 10_000.0}, threading.Event()
        watch = threading.Thread(target=sample, args=(process.pid, peaks, over))
        watch.start()
        while peaks["plugin"] == 1.0 and watch.is_alive():
            over.wait(0.01)
        over.set()
        watch.join()
        process.communicate()
    assert 1 < peaks["plugin"] < 1000
    assert peaks["all"] == 10_000


def test_a_cost_is_told_in_a_line() -> None:
    assert told("up", Cost(1.25, {"program": 80.4, "all": 200})) == "up 1.2 s, at most all 200 MB, program 80 MB"
