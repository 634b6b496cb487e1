"""A small, steady load on a service, every answer of which counts."""

import http.client
import json
import select
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KEPT, FRESH, IDLE = 4, 4, 2
PAUSE_SECONDS, IDLE_SECONDS = 0.05, 4.0


@dataclass
class Load:
    """What a load has come to."""

    uri: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    """How often each body of a good answer came."""
    lost: list[str] = field(default_factory=list)
    """Every other outcome: a status, an exception."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + len(self.lost)

    def wait_for(self, answer: str = "", timeout: float = 60) -> None:
        """Return when an answer, that one if one is named, has come once more from now on."""

        def count() -> int:
            return self.answers[answer] if answer else sum(self.answers.values())

        with self.changed:
            seen = count()
            assert self.changed.wait_for(lambda: count() > seen, timeout), (self.answers, self.lost)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.uri)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection(parts.netloc, timeout=30, context=context)
        return http.client.HTTPConnection(parts.netloc, timeout=30)

    def ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask once and count what comes; a connection that the answer said would close is opened anew by the next."""
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", urlsplit(self.uri).path, self.body, headers)
            answer = connection.getresponse()
            text, good = answer.read().decode(), answer.status == 200
            outcome = text if good else f"{answer.status} {text}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            good, outcome = False, f"{time.time():.2f} {type(error).__name__}: {error}"
        with self.changed:
            if good:
                self.answers[outcome] += 1
            else:
                self.lost.append(outcome)
            self.changed.notify_all()

    def keep(self) -> None:
        with closing(self.connect()) as connection:
            while not self.stopped.wait(PAUSE_SECONDS):
                self.ask(connection)

    def idle(self) -> None:
        """Keep a connection that is silent for long, as those of a client's pool are."""
        with closing(self.connect()) as connection:
            while not self.stopped.wait(IDLE_SECONDS):
                if connection.sock and select.select([connection.sock], [], [], 0)[0]:
                    connection.close()  # as clients do that find it closed by the other side
                self.ask(connection)

    def refresh(self) -> None:
        while not self.stopped.wait(PAUSE_SECONDS):
            with closing(self.connect()) as connection:
                self.ask(connection)


@contextmanager
def load(uri: str, headers: Mapping[str, str] | None = None, data: float | Sequence[float] = 1) -> Iterator[Load]:
    """Ask `uri` about 100 times a second, over kept, fresh and mostly idle connections, until the context ends."""
    made = Load(uri, json.dumps({"data": [data]}), headers or {})
    threads = [
        threading.Thread(target=work) for work in [made.keep] * KEPT + [made.refresh] * FRESH + [made.idle] * IDLE
    ]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stopped.set()
        for thread in threads:
            thread.join()
