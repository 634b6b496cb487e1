"""Commands and their failures."""

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain.layout import Layout
from toolchain.machine import Machine, last_lines, run, version_in
from toolchain.step import Unavailable


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine({}, Layout(tmp_path, tmp_path))


def test_output_is_returned_and_the_environment_is_the_given_one() -> None:
    assert run([sys.executable, "-c", "import os; print(os.environ['A'])"], environ={"A": "b"}) == "b\n"


@pytest.mark.parametrize(
    ("program", "timeout", "reason"),
    [
        ("import sys; print('one\\n\\ntwo', file=sys.stderr); sys.exit(3)", 20, r"^python\S* failed: one / two$"),
        ("import sys; print('said'); sys.exit(3)", 20, r"^python\S* failed: said$"),
        ("import sys; sys.exit(3)", 20, r"^python\S* failed: exit code 3$"),
        ("import time; time.sleep(30)", 0.5, r"^python\S* took longer than 0 s$"),
    ],
)
def test_a_failure_says_why(program: str, timeout: float, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        run([sys.executable, "-c", program], environ={}, timeout=timeout)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(Unavailable, match=r"^no-such-program cannot be run: No such file or directory$"):
        run(["/no-such-program"], environ={})


@pytest.mark.parametrize(
    ("text", "version"),
    [("v3.250.0\n", (3, 250, 0)), ("3.9.1-dev", (3, 9, 1)), ("go version go1.26 linux/amd64", (1, 26)), ("none", ())],
)
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_last_lines_are_those_that_say_something() -> None:
    assert last_lines("a\nb\n\n c \n\nd\n \n") == "b / c / d"


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/there" else 403)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_server_is_reachable_when_it_has_the_file(machine: Machine, server: str) -> None:
    assert machine.reachable(f"{server}/there") == ""
    assert machine.reachable(f"{server}/elsewhere") == f"{server}/elsewhere answers 403 Forbidden"
    assert "cannot be reached" in machine.reachable("http://127.0.0.1:9/nothing")
