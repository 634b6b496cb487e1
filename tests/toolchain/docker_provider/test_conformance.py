"""The scenarios recorded of the vendor's plugin, replayed against this one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPLAY = Path(__file__).parents[2] / "conformance" / "replay.py"
SCENARIOS = 28


@pytest.mark.e2e
def test_behaves_as_recorded(request, pulumi_environment):
    base = os.environ.get("CONFORMANCE_BASE") or request.getfixturevalue("base_image")
    environment = {**os.environ, **pulumi_environment, "CONFORMANCE_BASE": base}
    done = subprocess.run([sys.executable, REPLAY], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [f"{SCENARIOS} passed, 0 failed"], done.stdout + done.stderr
