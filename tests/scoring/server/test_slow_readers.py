"""Callers who take a streamed answer slowly: the worker does not wait for them for long."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scoring_server.flow import Flow, FlowLimits
from scoring_server.progress import Progress

from .played import Request
from .process import Server, read_all, running, write_script
from .wire import status

SCRIPT = """
import os, time
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request):
    megabytes = int(request.args.get("megabytes", 0))
    if not megabytes:
        return os.getpid()
    response = AMLResponse((b"x" * 1_000_000 for _ in range(megabytes)), 200)
    if "lingers" in request.args:
        response.call_on_close(lambda: time.sleep(600))
    return response
"""


@contextlib.contextmanager
def serving(root: Path, **environ: str) -> Iterator[Server]:
    with running(write_script(root, SCRIPT), "score.py", environ) as server:
        yield server


@contextlib.contextmanager
def reading(server: Server, megabytes: int, more: bytes = b"") -> Iterator[socket.socket]:
    """A caller who has read the head of a stream, and has little room for more."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", server.port))
        request = b"GET /score?megabytes=%d%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request % (megabytes, more))
        assert status(connection.recv(1000)) == 200
        yield connection


def broken_streams(server: Server) -> int:
    page = server.request("GET", "/metrics").body
    found = re.search(rb'^scoring_failures_total{kind="stream_broken"} (\d+)$', page, re.MULTILINE)
    assert found
    return int(found[1])


def test_a_stream_that_fits_into_the_buffer_frees_the_worker_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, SCORING_STREAM_BUFFER_BYTES="30000000") as server, reading(server, 25) as connection:
        assert server.request("GET", "/score", timeout=5).status == 200
        answer = read_all(connection)
        assert answer.count(b"x") >= 24_999_000
        assert answer.endswith(b"\r\n0\r\n\r\n")
        assert broken_streams(server) == 0


def test_a_reader_below_the_rate_is_broken_off(tmp_path: Path) -> None:
    environ = {"SCORING_STREAM_BUFFER_BYTES": "100000", "SCORING_STREAM_RATE": "1000000", "SCORING_READ_TIMEOUT": "1"}
    with serving(tmp_path, **environ) as server:
        pid = server.request("GET", "/score").json()
        with reading(server, 1000) as connection:
            deadline = time.monotonic() + 20
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(5000):
                    assert time.monotonic() < deadline, "it reads on"
                    if server.log.count("is broken off"):
                        break
                    time.sleep(0.05)
            assert server.request("GET", "/score", timeout=5).json() == pid
        assert server.log.wait_for("SCORING_STREAM_RATE asks for 1000000 bytes/s")
        assert server.log.wait_for("GET /score?megabytes=1000 200")
        assert broken_streams(server) == 1


def test_a_reader_who_keeps_up_gets_all(tmp_path: Path) -> None:
    environ = {"SCORING_STREAM_BUFFER_BYTES": "100000", "SCORING_STREAM_RATE": "100000", "SCORING_READ_TIMEOUT": "1"}
    with serving(tmp_path, **environ) as server, reading(server, 40) as connection:
        started, size = time.monotonic(), 0
        end = b""
        while data := connection.recv(65_536):
            size, end = size + len(data), (end + data)[-7:]
            time.sleep(max(0.0, started + size / 10_000_000 - time.monotonic()))
        assert size >= 40_000_000 - 1000
        assert end == b"\r\n0\r\n\r\n"
        assert time.monotonic() - started > 3, "the worker had to wait"


def test_a_reader_who_stops_does_not_cost_the_worker_its_life(tmp_path: Path) -> None:
    """Nor may it wait for longer than run() may take."""
    with serving(tmp_path, SCORING_STREAM_RATE="0", SCORING_TIMEOUT_MS="1500") as server:
        pid = server.request("GET", "/score").json()
        with reading(server, 1000) as connection:
            assert server.request("GET", "/score", timeout=10).json() == pid
            told = "its caller has not taken it after 1500 ms (SCORING_TIMEOUT_MS)"
            assert server.log.wait_for(told)
            assert server.log.count(told) == 1
            assert not read_all(connection).endswith(b"0\r\n\r\n")
        assert "is replaced" not in server.log.text


def test_a_worker_that_does_not_end_a_broken_stream_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, SCORING_STREAM_RATE="0", SCORING_TIMEOUT_MS="1000") as server:
        pid = server.request("GET", "/score").json()
        with reading(server, 1000, b"&lingers=1"):
            assert server.request("GET", "/score", timeout=10).json() != pid
        for told in ("is broken off", "Scoring timeout after 1000 ms"):
            assert server.log.wait_for(told)
            assert server.log.count(told) == 1


@pytest.fixture
def progress() -> Iterator[Progress]:
    created = Progress.create()
    yield created
    created.close()


LIMITS = FlowLimits(buffer=1000, crowded=10_000, rate=100, patience_s=10.0)
NOBODY: Callable[[], int] = lambda: 0  # noqa: E731


def test_the_worker_may_send_what_is_taken_and_the_buffer(progress: Progress) -> None:
    flow, job = Flow(progress, LIMITS), Request(b"")
    assert progress.allowed == 1000
    flow.begin(job, 0.0)
    job.unread = 900
    flow.receive(900)
    assert (progress.allowed, flow.waits) == (1000, False)
    job.unread = 1100
    flow.receive(200)
    assert (progress.allowed, flow.waits) == (1000, True)
    job.unread = 300
    flow.look(job, 1.0, NOBODY)
    assert (progress.allowed, flow.waits) == (1800, False)
    flow.end()
    assert progress.allowed == 2100, "the next stream has the whole buffer"


def test_streams_get_little_while_much_is_unread(progress: Progress) -> None:
    limits = LIMITS._replace(buffer=1_000_000)
    flow, job = Flow(progress, limits), Request(b"")
    flow.begin(job, 0.0)
    job.unread = 500_000
    flow.receive(500_000)
    flow.look(job, 0.1, lambda: 10_000)
    assert progress.allowed == 1_000_000
    flow.look(job, 0.2, lambda: 10_001)
    assert progress.allowed == 65_536
    job.unread = 0
    flow.look(job, 0.3, lambda: 10_001)
    assert progress.allowed == 1_500_000, "who reads all is no burden"


@pytest.mark.parametrize(("rate", "broken_off"), [(50, True), (150, False)])
def test_only_time_in_which_the_worker_waits_counts(progress: Progress, rate: int, broken_off: bool) -> None:
    flow, job = Flow(progress, LIMITS), Request(b"")
    flow.begin(job, 0.0)
    flow.receive(5000)  # all of it taken
    for second in range(1, 100):
        flow.look(job, float(second), NOBODY)
    assert not flow.too_slow
    job.unread = 1100
    flow.receive(1100)
    for second in range(100, 112):
        flow.look(job, float(second), NOBODY)
        assert flow.waits
        flow.receive(rate)  # as much as the caller has taken, as there is no less unread
    assert bool(flow.too_slow) == broken_off


def test_a_caller_who_has_gone_ends_the_stream(progress: Progress) -> None:
    flow, job = Flow(progress, LIMITS), Request(b"")
    job.number = 7
    flow.begin(job, 0.0)
    job.gone = True
    assert not progress.is_cancelled(7)
    flow.look(job, 0.1, NOBODY)
    assert progress.is_cancelled(7)
