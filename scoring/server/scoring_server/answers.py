"""From a request's frame to the reply: by run(), or by run_batch() for several."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import batches, logs, results, tracing
from .frames import Flag, Kind, LinkLost, Reply
from .inputs import InputError, RequestMeta, wsgi_environ
from .outbox import Outbox
from .script import Script, Style, flask_class
from .settings import Settings

logger = logging.getLogger(logs.LOGGER)

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")


class Batched(NamedTuple):
    """A request of a batch: the text that run_batch() gets, or the reply where the request has no such text."""

    number: int
    ids: tracing.Ids | tracing.Packed
    text: str
    reply: Reply | None


class Answers:
    """Answers requests with one script. Streams go to the outbox; without one, they are made whole."""

    def __init__(self, script: Script, outbox: Outbox | None, settings: Settings) -> None:
        self._script = script
        self._outbox = outbox
        self._nan_as_null = settings.nan_as_null
        self._path_prefix = settings.path_prefix
        self._number = 0
        self._flask_app: Any = None

    def answer(self, number: int, meta: bytes, body: memoryview) -> Reply | None:
        """The reply to a request, or None where it has been sent already, as a stream. Raises nothing but LinkLost."""
        self._number = number
        ids, meta = tracing.split(meta)
        tracing.enter(ids)
        try:
            if self._script.style is Style.RAW:
                return self._answer_raw(meta, body)
            if meta and self._script.names_flask:
                request = RequestMeta.decode(meta)
                return self._run_within_flask(request, body, lambda _request: self._script.arguments(meta, body))
            return self._run(self._script.arguments(meta, body))
        except InputError as failure:
            return results.error(failure.status, failure.message)
        except LinkLost:
            raise
        except BaseException:
            return _unanswerable()

    def batched(self, number: int, meta: bytes, body: memoryview) -> Batched:
        """A request of a batch: its input, or the answer where it has none."""
        ids, meta = tracing.split(meta)
        try:
            return Batched(number, ids, self._script.batch_input(meta, body), None)
        except InputError as failure:
            return Batched(number, ids, "", results.error(failure.status, failure.message))

    def answer_batch(
        self, run_batch: Callable[[list[str]], Any], batch: list[Batched], begin_alone: Callable[[int], None]
    ) -> Iterator[tuple[int, Reply | None]]:
        """The number and the reply of each request, or None for a reply that has been sent already, as a stream.

        If the call for all of them fails, `begin_alone` is told the number of each before that has a call of its own.
        """

        def retry(index: int) -> None:
            begin_alone(asked[index].number)
            tracing.enter(asked[index].ids)

        with _within(self._flask_application().app_context()) if self._script.names_flask else contextlib.nullcontext():
            asked = [request for request in batch if request.reply is None]
            tracing.enter(asked[0].ids if len(asked) == 1 else tracing.NO_IDS)
            inputs = [request.text for request in asked]
            found = batches.outcomes(run_batch, inputs, retry) if asked else iter(())
            for request in batch:
                self._number = request.number
                tracing.enter(request.ids)
                yield request.number, request.reply or self._reply_to(next(found))

    def _reply_to(self, outcome: batches.Outcome) -> Reply | None:
        if outcome.error is not None:
            logs.tell(logger, "Encountered Exception", exc_info=outcome.error)
            return results.error(500, results.RUN_FAILED, run_failed=True)
        return self._reply(outcome.value, outcome.nanoseconds)

    def _answer_raw(self, meta: bytes, body: memoryview) -> Reply | None:
        request = RequestMeta.decode(meta)
        if flask_class() is None:
            from .aml import AMLRequest

            return self._run(self._script.raw_arguments(AMLRequest(wsgi_environ(request, body)), request))
        return self._run_within_flask(request, body, lambda given: self._script.raw_arguments(given, request))

    def _run_within_flask(
        self, request: RequestMeta, body: memoryview, arguments: Callable[[Any], dict[str, Any]]
    ) -> Reply | None:
        """Call run() in the context that Flask's helpers want, with the `arguments` for Flask's own request."""

        def run() -> Reply | None:
            with _within(self._flask_application().request_context(wsgi_environ(request, body))) as context:
                return self._run(arguments(context.request))

        return contextvars.copy_context().run(run)  # what run() pushes, and leaves, is of this request alone

    def _flask_application(self) -> Any:
        if self._flask_app is None:
            from .aml import ENDPOINT

            app = flask_class()(__name__)
            app.add_url_rule(f"{self._path_prefix}/score", endpoint=ENDPOINT, methods=_METHODS)
            self._flask_app = app
        return self._flask_app

    def _run(self, arguments: dict[str, Any]) -> Reply | None:
        started = time.perf_counter_ns()
        try:
            result = self._script.run(**arguments)
        except BaseException:  # SystemExit and KeyboardInterrupt of a script are errors of one request
            logs.tell(logger, "Encountered Exception", exc_info=True)
            return results.error(500, results.RUN_FAILED, run_failed=True)
        return self._reply(result, time.perf_counter_ns() - started)

    def _reply(self, result: Any, spent: int) -> Reply | None:
        """The reply for what run() returned after `spent` ns, or None where it has been sent already, as a stream."""
        try:
            return self._made_of(result, spent)
        except LinkLost:
            raise
        except BaseException:
            return _unanswerable(Flag.SCRIPT)

    def _made_of(self, result: Any, spent: int) -> Reply | None:
        response = results.as_response(result)
        if response is not None:
            return self._respond(response, spent)
        if result is None:
            body = b"{}"
        else:
            try:
                body = results.encode(result, nan_as_null=self._nan_as_null)
            except results.NanError as failure:
                logs.tell(logger, str(failure))
                return results.error(500, str(failure), run_failed=True)
        return Reply(Kind.RESULT, Flag.TIMED, 200, spent, results.JSON_HEAD, body)

    def _respond(self, response: Any, spent: int) -> Reply | None:
        """Answer with the response object that run() returned: whole, or as a stream of its chunks."""
        outbox = self._outbox
        try:
            status, flags, head = results.response_head(response)
            if outbox is None:
                response.direct_passthrough = False  # or get_data() would not collect the chunks
            streams = outbox is not None and (response.is_streamed or response.direct_passthrough)
            body = b"" if streams else response.get_data()
        except BaseException:
            _close(response)
            raise
        reply = Reply(Kind.START if streams else Kind.RESULT, flags | Flag.TIMED, status, spent, head, body)
        if outbox is not None and streams:
            return self._stream(response, reply, outbox)
        _close(response)
        return reply

    def _stream(self, response: Any, start: Reply, outbox: Outbox) -> Reply | None:
        """Send the response as a stream. Once it has begun there is no other answer, whatever the script raises.

        So it begins with the first chunk, as WSGI servers have it (PEP 3333): until then an error can be told.
        """
        number, flags = self._number, 0
        chunks = results.stream(response)
        try:
            first = list(itertools.islice(chunks, 1))
        except BaseException:
            logs.tell(logger, "Encountered Exception", exc_info=True)
            _close(response)
            return results.error(500, results.RUN_FAILED, run_failed=True)
        outbox.send(start.encode(number))
        try:
            outbox.stream(number, itertools.chain(first, chunks))
        except LinkLost:
            raise
        except BaseException:
            logs.tell(logger, "The response stream of run() broke off", exc_info=True)
            flags = Flag.ABORTED
        _close(response)  # belongs to the request, and to its time
        outbox.send(Reply(Kind.END, flags, 0, 0, b"", b"").encode(number))
        return None


@contextlib.contextmanager
def _within(context: Any) -> Iterator[Any]:
    """One of Flask's contexts. What its end raises changes no answer, nor does what run() has left in it."""
    context.push()
    try:
        yield context
    finally:
        try:
            context.pop()
        except BaseException:
            logs.tell(logger, "The context of Flask could not be left: has run() pushed one of its own?", exc_info=True)


def _unanswerable(flags: int = 0) -> Reply:
    logs.tell(logger, "The request could not be answered", exc_info=True)
    return results.error(500, results.INTERNAL_ERROR)._replace(flags=flags)


def _close(response: Any) -> None:
    """Close a response. What that raises changes no answer."""
    try:
        response.close()
    except BaseException:
        logs.tell(logger, "The response of run() could not be closed", exc_info=True)
