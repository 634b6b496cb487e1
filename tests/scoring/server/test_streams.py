"""Streamed answers: whatever becomes of one, it is its caller's alone, and the worker goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .process import Server, Together, running, write_script
from .wire import status

SCRIPT = """
import json, os, time
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

def broken_close():
    raise ValueError("secret detail")

def deaf():
    while True:
        try:
            yield "x" * 1000
        except BaseException:
            yield "again"
        time.sleep(0.001)

def part_then(action):
    yield "part"
    action()

@rawhttp
def run(request):
    body = json.loads(request.get_data() or "{}")
    action = body.get("do") or request.args.get("do")
    if action == "close" or action == "close whole":
        chunks = iter(["one", "two"]) if action == "close" else "whole"
        response = AMLResponse(chunks, 200)
        response.call_on_close(broken_close)
        return response
    if action == "deaf":
        return AMLResponse(deaf(), 200)
    if action == "die":
        return AMLResponse(part_then(lambda: os._exit(5)), 200)
    if action == "hang":
        return AMLResponse(part_then(lambda: time.sleep(600)), 200)
    if action == "reset":
        return AMLResponse(part_then(lambda: fail(ConnectionResetError("upstream"))), 200)
    if action == "pid":
        return os.getpid()
    return body

def fail(error):
    raise error
"""


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = write_script(tmp_path_factory.mktemp("streaming"), SCRIPT)
    with running(root, "score.py", {"SCORING_TIMEOUT_MS": "1500"}) as server:
        yield server


def warm(server: Server) -> None:
    """Have requests sent ahead to the worker."""
    for _ in range(40):
        assert server.score({"n": 0}).status == 200


def chunks(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


GET = b"GET /score?do=%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(("action", "body"), [("close", b"onetwo"), ("close whole", b"whole")])
def test_a_close_that_raises_gives_nobody_a_second_answer(streaming: Server, action: str, body: bytes) -> None:
    warm(streaming)
    with Together(streaming, 8) as together:
        requests = [{"do": action}, *({"n": number} for number in range(1, 8))]
        first, *others = [each.result() for each in together.post(requests)]
    assert (first.status, first.body) == (200, body)
    assert [other.json() for other in others] == [{"n": number} for number in range(1, 8)]
    assert streaming.log.wait_for("secret detail")


@pytest.mark.parametrize("action", [b"close", b"deaf"])
def test_an_idle_worker_goes_on_after_a_close_that_raises(streaming: Server, action: bytes) -> None:
    """Be it that the caller has gone before the end."""
    pid = streaming.request("GET", "/score?do=pid").json()
    with streaming.connect() as connection:
        connection.sendall(GET % action)
        assert status(connection.recv(4096)) == 200
    assert streaming.score({"n": 1}).json() == {"n": 1}
    assert streaming.request("GET", "/score?do=pid").json() == pid
    assert "IndexError" not in streaming.log.text


@pytest.mark.parametrize(("action", "replaced"), [(b"die", True), (b"hang", True), (b"reset", False)])
def test_a_stream_that_is_cut_off_is_seen_to_be(streaming: Server, action: bytes, replaced: bool) -> None:
    pid = streaming.request("GET", "/score?do=pid").json()
    answer = streaming.raw(GET % action)
    assert status(answer) == 200
    assert chunks(answer) == b"4\r\npart\r\n", "no last chunk"
    assert (streaming.request("GET", "/score?do=pid").json() != pid) == replaced
    assert streaming.score({"n": 1}).json() == {"n": 1}


@pytest.mark.parametrize("action", ["die", "hang"])
def test_requests_behind_a_stream_that_is_cut_off_are_served(streaming: Server, action: str) -> None:
    warm(streaming)
    with Together(streaming, 8) as together:
        requests = [{"do": action}, *({"n": number} for number in range(1, 8))]
        first, *others = together.post(requests)
        assert first.exception() is not None
        assert [other.result().json() for other in others] == [{"n": number} for number in range(1, 8)]
