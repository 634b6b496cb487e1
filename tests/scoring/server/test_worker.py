from __future__ import annotations

import socket
import threading
from types import ModuleType

from scoring_server.frames import REQUEST, Progress, ReplyReader
from scoring_server.script import Script
from scoring_server.settings import Settings
from scoring_server.worker import Worker


def test_no_reply_waits_for_a_request_that_may_take_long() -> None:
    release = threading.Event()

    def run(data: str) -> int:
        if len(data) > 100:
            assert release.wait(30)
        return len(data)

    module = ModuleType("entry_module")
    module.__dict__.update(init=lambda: None, run=run)
    front, link = socket.socketpair()
    front.settimeout(20)
    progress = Progress.create()
    thread = threading.Thread(target=Worker(link, progress, Script(module), Settings()).serve)
    bodies = [b"first", b"long" * 100, b"last"]
    front.sendall(b"".join(REQUEST.pack(0, 0, len(body)) + body for body in bodies))
    with front, link:
        thread.start()
        reader = ReplyReader()
        assert [reply.body for reply in reader.feed(front.recv(4096))] == [b"5"]
        release.set()
        found: list[bytes] = []
        while len(found) < 2:
            found += [reply.body for reply in reader.feed(front.recv(4096))]
        assert found == [b"400", b"4"]
        front.shutdown(socket.SHUT_WR)
        thread.join(20)
    progress.close()
