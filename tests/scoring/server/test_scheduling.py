"""How the front and its workers share CPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scoring_server import scheduling

from tests.scoring.server.process import Server, running


@pytest.mark.parametrize("workers", ["1", "2"])
def test_front_and_workers_do_not_interrupt_each_other(tmp_path: Path, workers: str) -> None:
    (tmp_path / "policy.py").write_text(
        "import os\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return os.sched_getscheduler(0)\n"
    )
    with running(tmp_path, "policy.py", {"WORKER_COUNT": workers}) as server:
        assert server.score({}).json() == os.SCHED_BATCH
        await_policy(server, os.SCHED_BATCH, {})


def test_the_front_goes_first_while_several_workers_are_slow(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import json, time\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    time.sleep(json.loads(data))\n"
    )
    with running(tmp_path, "slow.py", {"WORKER_COUNT": "2"}) as server:
        for seconds, policy in ((0.02, os.SCHED_OTHER), (0, os.SCHED_BATCH)):
            await_policy(server, policy, seconds)


def await_policy(server: Server, policy: int, value: object) -> None:
    """Ask until the front has this policy: it goes by how long the latest runs took, of which any may be disturbed."""
    asked = 0
    while os.sched_getscheduler(server.process.pid) != policy and asked < 100:
        assert server.score(value).status == 200
        asked += 1
    assert os.sched_getscheduler(server.process.pid) == policy


@pytest.mark.parametrize(
    ("workers", "run_ms", "policies"),
    [
        (1, [5, 50, 0.1], []),
        (2, [0.1, 1.9, 0.1], []),
        (2, [2.1, 50, 1.5], [os.SCHED_OTHER]),
        (8, [2.1, 0.9, 1.5, 2.1], [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER]),
    ],
)
def test_it_takes_a_slow_run_to_go_first_and_a_quick_one_to_give_way(
    monkeypatch: pytest.MonkeyPatch, workers: int, run_ms: list[float], policies: list[int]
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda _pid, policy, _param: seen.append(policy))
    front = scheduling.Front(workers)
    for each in run_ms:
        front.adapt(each * 1e6)
    assert seen == policies


def test_where_it_is_not_allowed_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    before = os.sched_getscheduler(0)
    scheduling.give_way()
    assert os.sched_getscheduler(0) == before


def test_what_a_script_starts_in_init_is_left_alone() -> None:
    code = (
        "import os, threading\n"
        "from scoring_server.scheduling import give_way\n"
        "gate, seen = threading.Event(), []\n"
        "thread = threading.Thread(target=lambda: (gate.wait(), seen.append(os.sched_getscheduler(0))))\n"
        "thread.start(); give_way(); gate.set(); thread.join()\n"
        "assert seen == [os.SCHED_OTHER], seen\n"
    )
    path = os.pathsep.join([str(Path(scheduling.__file__).parent.parent)])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)
