"""What a killed run left does not stop the next."""

from pathlib import Path

from tests.e2e import own_daemon


def test_bridges_of_ended_processes_are_left_over(tmp_path: Path) -> None:
    interfaces, processes = tmp_path / "net", tmp_path / "proc"
    for name in ("lo", "docker0", "mwown0", "mwown7", "mwown8"):
        (interfaces / name).mkdir(parents=True)
    (processes / "7").mkdir(parents=True)
    assert own_daemon.left_bridges(interfaces, processes) == ["mwown0", "mwown8"]
