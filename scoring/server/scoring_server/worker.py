"""A worker: loads the entry script, then answers request frames one after the other, in its main thread."""

from __future__ import annotations

import faulthandler
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import fastarray, fastjson, logs, memory, orphans, scheduling, swagger, warmup
from .answers import Answers, Batched
from .exits import give_up
from .frames import Kind, LinkLost, Reply, RequestReader
from .outbox import Outbox
from .progress import Progress
from .script import Script, ScriptError, load
from .settings import Settings, SettingsError

logger = logging.getLogger(logs.LOGGER)

# While more requests are here and all is quick, replies may wait this long for the next: one system call and one switch
# between the processes then serve several.
_HOLD_NS = 4_000_000
_QUICK_NS = 1_500_000
_SKIPPED = Reply(Kind.SKIPPED, 0, 0, 0, b"", b"")


def prepare(settings: Settings, gate: Sequence[int] = ()) -> Script:
    """Load the script and run its init(). Exits with status 3, the cause and the model folder's listing in the log.

    Args:
        settings: the server's.
        gate: file descriptors that are to end before init() runs, as then the models are known to be the right ones.
    """
    try:
        with logs.kept():
            script = load(settings)
    except ScriptError as failure:
        logs.tell(logger, f"The entry script could not be loaded: {failure}")
        give_up()
    except BaseException:
        logs.tell(logger, "The entry script could not be loaded", exc_info=True)
        _log_models(settings)
        give_up()
    for fd in gate:
        os.read(fd, 1)
        os.close(fd)
    logger.info("Invoking user's init function")
    try:
        with logs.kept():
            script.init()
    except BaseException:
        logs.tell(logger, "User's init function failed", exc_info=True)
        _log_models(settings)
        give_up()
    logger.info("Users's init has completed successfully")
    if settings.fast_arrays:
        fastarray.install()  # now that all is imported: numpy, or numba, with which it does not go
    # What init() made lives on: the collector need not look at it again, nor fork copy it.
    gc.collect()
    gc.freeze()
    return script


def describe(settings: Settings, script: Script) -> dict[str, swagger.Document]:
    """The service's descriptions. Exits with status 3 and the cause in the log where a file of the user's is wrong."""
    try:
        return swagger.documents(settings, script)
    except ScriptError as failure:
        logs.tell(logger, f"The service cannot be described: {failure}")
        give_up()


def _log_models(settings: Settings) -> None:
    if not settings.model_dir:
        logger.info("AZUREML_MODEL_DIR is not set: the script finds no model there")
    elif not os.path.exists(settings.model_dir):
        logger.info("AZUREML_MODEL_DIR is %r, which does not exist", settings.model_dir)
    else:
        logs.log_tree(logger, settings.model_dir)


class Worker:
    """Answers requests of one link with one script."""

    def __init__(self, link: socket.socket, progress: Progress, script: Script, settings: Settings) -> None:
        link.settimeout(None)  # whatever default the script has set
        self._link = link
        self._progress = progress
        self._script = script
        self._settings = settings
        self._outbox = Outbox(link, progress)
        self._answers = Answers(script, self._outbox, settings)
        self._held_since = 0
        self._slowest_ns = 0.0  # of the latest requests
        self._largest = 0.0

    def rehearse(self, meta: bytes, body: bytes) -> Reply | None:
        """The reply to a request that nobody sent; a streamed one is made whole."""
        answers = Answers(self._script, None, self._settings)
        if self._script.run_batch is None:
            return answers.answer(0, meta, memoryview(body))
        batch = [answers.batched(0, meta, memoryview(body))]
        return next(answers.answer_batch(self._script.run_batch, batch, lambda _number: None))[1]

    def serve(self, documents: dict[str, dict[str, Any]]) -> None:
        """Tell the front that init() is through and what it needs to know; answer until it closes the link."""
        head = {
            "pid": os.getpid(),
            "style": self._script.style.value,
            "needs_meta": self._script.needs_meta,
            "batches": self._script.run_batch is not None,
            "swagger": documents,
        }
        reader = RequestReader(self._link, self._progress.bodies)
        scheduling.give_way()
        try:
            self._outbox.send(Reply(Kind.READY, 0, 0, 0, json.dumps(head).encode(), b"").encode(0))
            if self._script.run_batch is not None:
                self._serve_batches(reader, self._script.run_batch)
            else:
                self._serve_singly(reader)
        except LinkLost as lost:
            if not isinstance(lost.__cause__, (BrokenPipeError, ConnectionResetError)):
                logger.error("The link to the front process is broken: %s. Has run() closed it?", lost.__cause__)
                self._link.detach()  # its number may be another file's by now

    def _serve_singly(self, reader: RequestReader) -> None:
        progress, outbox, answer = self._progress, self._outbox, self._answers.answer
        now = time.monotonic_ns
        while reader.wait():
            number = reader.number
            claimed = progress.claim(number)
            frame = reader.read()
            if frame is None:
                return
            if not claimed:
                self._skip(reader)
                continue
            meta, body = frame
            started = now()
            reply = answer(number, meta, body)
            ended = now()
            spent, size = ended - started, len(meta) + len(body)
            slowest, largest = self._slowest_ns * 0.95, self._largest * 0.95
            self._slowest_ns = spent if spent > slowest else slowest
            self._largest = size if size > largest else largest
            if reply is None:
                progress.finish(number)
                continue
            data = reply.encode(number)
            held = self._may_hold(reader, ended) and progress.hold(data)
            progress.finish(number)
            if not held:
                outbox.send(data)

    def _skip(self, reader: RequestReader) -> None:
        """Leave a request that the front has taken back."""
        data = _SKIPPED.encode(reader.number)
        if not self._progress.hold(data):
            self._outbox.send(data)
        elif reader.ahead()[0] == 0:
            self._outbox.send()

    def _may_hold(self, reader: RequestReader, now: int) -> bool:
        """Whether a reply may wait for the next one, which must be near: nobody waits for another's slow run().

        Should the next one hang all the same, the front finds what is held and delivers it.
        """
        if not self._progress.held_bytes:
            self._held_since = now
        if self._slowest_ns > _QUICK_NS or now - self._held_since > _HOLD_NS:
            return False
        # Replies go out before the last request is begun, so that the front has work meanwhile.
        count, largest = reader.ahead()
        return count == 2 and largest <= 2 * self._largest

    def _serve_batches(self, reader: RequestReader, run_batch: Callable[[list[str]], Any]) -> None:
        batch: list[Batched] = []
        while reader.wait():
            self._progress.start(reader.number)
            frame = reader.read()
            if frame is None:
                return
            batch.append(self._answers.batched(reader.number, *frame))
            if reader.more:
                continue
            # One after the other: a streamed answer is sent at once, after those before it.
            for number, reply in self._answers.answer_batch(run_batch, batch, self._begin_alone):
                if reply is not None:
                    data = reply.encode(number)
                    if not self._progress.hold(data):
                        self._outbox.send(data)
                self._progress.finish(number)
            self._outbox.send()
            batch = []

    def _begin_alone(self, number: int) -> None:
        """The batch has failed, and this request of it gets a call of its own: those before are through."""
        self._outbox.send()
        self._progress.start(number)


def start_process(settings: Settings) -> None:
    """What every process that runs the script sets up, before the script is imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the front, which drains
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    scheduling.be_ordinary()  # until the script is loaded: what that starts is left alone
    faulthandler.enable()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        logs.configure(settings)
    except SettingsError as failure:
        sys.stderr.write(f"A worker cannot start: {failure}\n")
        give_up()
    logs.capture_prints()
    if settings.fast_json:
        fastjson.install()


def main() -> None:
    """``python -m scoring_server.worker <link fd> <progress fd> [<gate fd>]``."""
    link_fd, progress_fd, *gate = map(int, sys.argv[1:])
    settings = Settings.from_environ()
    memory.go_first()
    front = os.getppid()
    orphans.end_with_parent(signal.SIGKILL, front)
    with socket.socket(fileno=link_fd) as link:
        orphans.stay_with(link, front)
        start_process(settings)
        progress = Progress(progress_fd)
        for fd in (link_fd, progress_fd, *gate):
            os.set_inheritable(fd, False)
        script = prepare(settings, gate)
        worker = Worker(link, progress, script, settings)
        warmup.warm_up(settings, script, worker.rehearse)
        worker.serve(describe(settings, script))


if __name__ == "__main__":
    main()
