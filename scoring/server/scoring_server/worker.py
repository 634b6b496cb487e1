"""A worker: loads the entry script, then answers request frames one after the other, in its main thread."""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import batches, fastjson, logs, results, swagger, tracing, warmup
from .frames import Flag, Kind, Progress, Reply, RequestReader
from .inputs import InputError, RequestMeta, wsgi_environ
from .script import INIT_FAILED, Script, Style, load
from .settings import Settings

logger = logging.getLogger(logs.LOGGER)

# While more requests are here and all is quick, replies may wait this long for the next: one system call and one switch
# between the processes then serve several.
_HOLD_NS = 4_000_000
_QUICK_NS = 1_500_000


def prepare(settings: Settings) -> Script:
    """Load the script and run its init(). Exits with status 3, the cause and the model folder's listing in the log."""
    try:
        script = load(settings)
    except BaseException:
        logger.exception("The entry script could not be loaded")
        _log_models(settings)
        raise SystemExit(INIT_FAILED) from None
    logger.info("Invoking user's init function")
    try:
        script.init()
    except BaseException:
        logger.exception("User's init function failed")
        _log_models(settings)
        raise SystemExit(INIT_FAILED) from None
    logger.info("Users's init has completed successfully")
    # What init() made lives on: the collector need not look at it again, nor fork copy it.
    gc.collect()
    gc.freeze()
    return script


def _log_models(settings: Settings) -> None:
    if settings.model_dir and os.path.exists(settings.model_dir):
        logs.log_tree(logger, settings.model_dir)


class Batched(NamedTuple):
    """A request of a batch: the text that run_batch() gets, or the reply where the request has no such text."""

    ids: tracing.Ids
    text: str
    reply: Reply | None


class Worker:
    """Answers requests of one link with one script."""

    def __init__(self, link: socket.socket, progress: Progress, script: Script, settings: Settings) -> None:
        self._link = link
        self._progress = progress
        self._script = script
        self._nan_as_null = settings.nan_as_null
        self._number = 0
        self._flask_app: Any = None
        self._held: list[bytes] = []
        self._held_since = 0
        self._rehearsing = False  # nothing may be sent
        self._slowest_ns = 0.0  # of the latest requests
        self._largest = 0.0

    def rehearse(self, meta: bytes, body: bytes) -> Reply | None:
        """The reply to a request that nobody sent; a streamed one is made whole."""
        self._rehearsing = True
        try:
            if self._script.run_batch is not None:
                return next(self._batch_replies(self._script.run_batch, [self._batched(meta, memoryview(body))]))
            return self.answer(meta, memoryview(body))
        finally:
            self._rehearsing = False

    def announce(self, documents: dict[str, dict[str, Any]]) -> None:
        """Tell the front that init() is through, and what it needs to know of the script."""
        head = {
            "pid": os.getpid(),
            "style": self._script.style.value,
            "needs_meta": self._script.needs_meta,
            "batches": self._script.run_batch is not None,
            "swagger": documents,
        }
        self._link.sendall(Reply(Kind.READY, 0, 0, 0, json.dumps(head).encode(), b"").encode())

    def serve(self) -> None:
        """Answer until the front closes the link."""
        reader = RequestReader(self._link)
        if self._script.run_batch is not None:
            self._serve_batches(reader, self._script.run_batch)
            return
        while (frame := reader.read()) is not None:
            self._number += 1
            self._progress.start(self._number)
            started = time.monotonic_ns()
            reply = self.answer(*frame)
            now = time.monotonic_ns()
            self._progress.finish(self._number)
            if reply is not None:
                if not self._held:
                    self._held_since = now
                self._held.append(reply.encode())
            self._slowest_ns = max(now - started, self._slowest_ns * 0.95)
            self._largest = max(len(frame[0]) + len(frame[1]), self._largest * 0.95)
            if not self._may_hold(reader, now):
                self._flush()

    def _may_hold(self, reader: RequestReader, now: int) -> bool:
        """Whether replies may wait for the next one, which must be near: nobody waits for another's slow run()."""
        if self._slowest_ns > _QUICK_NS or now - self._held_since > _HOLD_NS:
            return False
        # Replies go out before the last request is begun, so that the front has work meanwhile.
        count, largest = reader.ahead()
        return count == 2 and largest <= 2 * self._largest

    def _serve_batches(self, reader: RequestReader, run_batch: Callable[[list[str]], Any]) -> None:
        while (frame := reader.read()) is not None:
            batch = [self._batched(*frame)]
            while reader.more:
                frame = reader.read()
                if frame is None:
                    return
                batch.append(self._batched(*frame))
            self._number += len(batch)
            self._progress.start(self._number)
            # One after the other: a streamed answer is sent at once, after those before it.
            for reply in self._batch_replies(run_batch, batch):
                if reply is not None:
                    self._held.append(reply.encode())
            self._progress.finish(self._number)
            self._flush()

    def _batched(self, meta: bytes, body: memoryview) -> Batched:
        """A request of a batch: its input, or the answer where it has none."""
        ids, meta = tracing.unpack(meta)
        try:
            return Batched(ids, self._script.batch_input(meta, body), None)
        except InputError as failure:
            return Batched(ids, "", results.error(failure.status, failure.message))

    def _batch_replies(self, run_batch: Callable[[list[str]], Any], batch: list[Batched]) -> Iterator[Reply | None]:
        asked = [request for request in batch if request.reply is None]
        tracing.enter(asked[0].ids if len(asked) == 1 else tracing.NO_IDS)
        inputs = [request.text for request in asked]
        found = iter(
            batches.outcomes(run_batch, inputs, lambda index: tracing.enter(asked[index].ids)) if asked else ()
        )
        for request in batch:
            tracing.enter(request.ids)
            yield request.reply or self._reply_to(next(found))

    def _reply_to(self, outcome: batches.Outcome) -> Reply | None:
        if outcome.error is not None:
            logger.error("Encountered Exception", exc_info=outcome.error)
            return results.error(500, results.RUN_FAILED, run_failed=True)
        try:
            return self._reply(outcome.value, outcome.nanoseconds)
        except Exception:
            logger.exception("The request could not be answered")
            return results.error(500, results.INTERNAL_ERROR)

    def _flush(self) -> None:
        if self._held:
            self._link.sendall(b"".join(self._held))
            self._held.clear()

    def answer(self, meta: bytes, body: memoryview) -> Reply | None:
        """The reply to a request, or None where it has been sent already, as a stream."""
        ids, meta = tracing.unpack(meta)
        tracing.enter(ids)
        try:
            if self._script.style is Style.RAW:
                return self._answer_raw(meta, body)
            return self._run(self._script.arguments(meta, body))
        except InputError as failure:
            return results.error(failure.status, failure.message)
        except Exception:
            logger.exception("The request could not be answered")
            return results.error(500, results.INTERNAL_ERROR)

    def _answer_raw(self, meta: bytes, body: memoryview) -> Reply | None:
        request = RequestMeta.decode(meta)
        environ = wsgi_environ(request, body)
        flask = sys.modules.get("flask")
        if flask is None:
            from .aml import AMLRequest

            return self._run(self._script.raw_arguments(AMLRequest(environ), request))
        # The script uses Flask: give it Flask's own request, and the context that its helpers want.
        if self._flask_app is None:
            self._flask_app = flask.Flask(__name__)
        with self._flask_app.request_context(environ) as context:
            return self._run(self._script.raw_arguments(context.request, request))

    def _run(self, arguments: dict[str, Any]) -> Reply | None:
        started = time.perf_counter_ns()
        try:
            result = self._script.run(**arguments)
        except BaseException:  # SystemExit and KeyboardInterrupt of a script are errors of one request
            logger.exception("Encountered Exception")
            return results.error(500, results.RUN_FAILED, run_failed=True)
        return self._reply(result, time.perf_counter_ns() - started)

    def _reply(self, result: Any, spent: int) -> Reply | None:
        """The reply for what run() returned after `spent` ns, or None where it has been sent already, as a stream."""
        response = results.as_response(result)
        if response is not None:
            return self._respond(response, spent)
        if result is None:
            body = b"{}"
        else:
            try:
                body = results.encode(result, nan_as_null=self._nan_as_null)
            except results.NanError as failure:
                logger.error("%s", failure)
                return results.error(500, str(failure), run_failed=True)
        return Reply(Kind.RESULT, Flag.TIMED, 200, spent, results.JSON_HEAD, body)

    def _respond(self, response: Any, spent: int) -> Reply | None:
        """Send the response object that run() returned: whole, or as a stream of its chunks."""
        status, flags, head = results.response_head(response)
        flags |= Flag.TIMED
        with contextlib.closing(response):
            if self._rehearsing:
                response.direct_passthrough = False  # or get_data() would not collect the chunks
            if self._rehearsing or (not response.is_streamed and not response.direct_passthrough):
                return Reply(Kind.RESULT, flags, status, spent, head, response.get_data())
            self._flush()
            self._link.sendall(Reply(Kind.START, flags, status, spent, head, b"").encode())
            end = Reply(Kind.END, 0, 0, 0, b"", b"")
            try:
                for chunk in results.stream(response):
                    if self._progress.read()[2] >= self._number:
                        break
                    self._link.sendall(Reply(Kind.CHUNK, 0, 0, 0, b"", chunk).encode())
            except (BrokenPipeError, ConnectionResetError):
                raise SystemExit from None
            except BaseException:
                logger.exception("The response stream of run() broke off")
                end = end._replace(flags=Flag.ABORTED)
            self._link.sendall(end.encode())
        return None


def start_process(settings: Settings) -> None:
    """What every process that runs the script sets up, before the script is imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the front, which drains
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    faulthandler.enable()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    logs.configure(settings)
    logs.capture_prints()
    if settings.fast_json:
        fastjson.install()


def main() -> None:
    """``python -m scoring_server.worker <link fd> <progress fd>``."""
    link_fd, progress_fd = (int(argument) for argument in sys.argv[1:3])
    settings = Settings.from_environ()
    start_process(settings)
    link = socket.socket(fileno=link_fd)
    progress = Progress(progress_fd)
    for fd in (link_fd, progress_fd):
        os.set_inheritable(fd, False)
    script = prepare(settings)
    worker = Worker(link, progress, script, settings)
    warmup.warm_up(settings, script, worker.rehearse)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.announce(swagger.documents(settings, script))
        worker.serve()


if __name__ == "__main__":
    main()
