"""How the front and its workers share CPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scoring_server import scheduling

from tests.scoring.server.process import running


@pytest.mark.parametrize("workers", ["1", "2"])
def test_front_and_workers_do_not_interrupt_each_other(tmp_path: Path, workers: str) -> None:
    (tmp_path / "policy.py").write_text(
        "import os\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return os.sched_getscheduler(0)\n"
    )
    with running(tmp_path, "policy.py", {"WORKER_COUNT": workers}) as server:
        assert server.score({}).json() == os.SCHED_BATCH
        assert os.sched_getscheduler(server.process.pid) == os.SCHED_BATCH


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
