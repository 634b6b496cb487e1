"""The garbage collector of the program."""

import gc
import subprocess
import sys


def test_what_is_there_is_not_looked_through_again() -> None:
    # In a process of its own, as it is for the whole of it.
    code = (
        "import gc; from components import memory; memory.collect_seldom(); "
        "print(gc.get_freeze_count() > 0, gc.get_threshold()[0], gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "50000", "True"]
    assert gc.get_threshold()[0] < 50000
