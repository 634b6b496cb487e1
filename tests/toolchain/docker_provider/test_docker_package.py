"""Threads that need the package `docker` at the same time all get it whole."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
AT_ONCE = """
import threading

wanted = ["APIError", "TLSConfig", "APIClient", "IPAMPool", "NotFound"] * 2
barrier = threading.Barrier(len(wanted))
found = []


def take(name):
    barrier.wait()
    space = {}
    exec(f"from toolchain.docker_provider.docker_package import {name}", space)
    found.append(space[name].__name__)


threads = [threading.Thread(target=take, args=(name,)) for name in wanted]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(found) == sorted(wanted), found
"""


def test_threads_may_import_it_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_lacks_is_told() -> None:
    code = "from toolchain.docker_provider.docker_package import Nothing"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ImportError: cannot import name 'Nothing'" in done.stderr
