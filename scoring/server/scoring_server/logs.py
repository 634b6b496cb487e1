"""Log lines ``time L [pid] logger - message``, in UTC, on stdout; the user's ``logging.json`` overrides."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import json
import logging
import logging.config
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from . import json_logs, tracing
from .json_logs import Answered, clock, printable
from .settings import Settings, SettingsError
from .tracing import NO_IDS

FORMAT = "%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"
LOGGER = "azmlinfsrv"
_PRINT = f"{LOGGER}.print"
TREE_LINES = 200
_TOGETHER_S = 0.005


class UtcFormatter(logging.Formatter):
    """Formats times in UTC."""

    converter = staticmethod(time.gmtime)

    def __init__(self, fmt: str = FORMAT, datefmt: str | None = None, style: Any = "%") -> None:
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)


def configure(settings: Settings) -> str | None:
    """Set up logging for this process; returns the path of the user's ``logging.json`` where one was used.

    Raises SettingsError where that file is not what ``logging.config.dictConfig`` takes.
    """
    tracing.mark_records()
    folders = [settings.app_root, os.path.dirname(os.path.realpath(settings.script_path))]
    for path in (os.path.join(folder, "logging.json") for folder in folders):
        if os.path.isfile(path):
            try:
                with open(path, encoding="utf-8-sig") as file:
                    logging.config.dictConfig(json.load(file))
            except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
                cause = error.__cause__ or error
                raise SettingsError(
                    f"{path} is not what Python's logging.config.dictConfig takes: {error}"
                    f"{'' if cause is error else f' ({cause})'}. Correct or remove it."
                ) from error
            return path
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(json_logs.JsonFormatter() if settings.log_format == "json" else UtcFormatter())
    if settings.log_format == "json":
        # Other loggers and warnings would go to stderr as plain text.
        logging.getLogger().handlers[:] = [handler]
        logging.getLogger().setLevel(settings.log_level)
        logging.captureWarnings(True)
        threading.excepthook = _log_thread_exception
        sys.unraisablehook = _log_unraisable
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(settings.log_level)
    logger.propagate = False
    return None


def _log_thread_exception(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread else "?"
        tell(logging.getLogger(LOGGER), f"A thread has ended: {name}", exc_info=args.exc_value)


def _log_unraisable(args: sys.UnraisableHookArgs) -> None:
    tell(
        logging.getLogger(LOGGER),
        f"{args.err_msg or 'Exception ignored in'}: {args.object!r}",
        exc_info=args.exc_value or False,
    )


def capture_prints() -> None:
    """Let ``print()`` write to the log where it would write to stdout. Other files get what they are given."""
    plain = builtins.print
    logger = logging.getLogger(_PRINT)

    @functools.wraps(plain)
    def log_print(
        *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:
        if file is None or file is sys.stdout:
            logger.disabled = False  # as who sets up logging has it
            logger.info((" " if sep is None else sep).join(map(str, values)))
        else:
            plain(*values, sep=sep, end=end, file=file, flush=flush)

    builtins.print = log_print


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Have this server's loggers be heard afterwards as before: who sets up logging disables those that are there."""
    loggers = [logging.getLogger(name) for name in (LOGGER, _PRINT)]
    heard = [logger for logger in loggers if not logger.disabled]
    try:
        yield
    finally:
        for logger in heard:
            logger.disabled = False


def tell(logger: logging.Logger, message: str, *, exc_info: bool | BaseException = False) -> None:
    """Log an error, with an exception or the one that is being handled; on stderr where a script has logging off."""
    logger.disabled = False
    if logger.manager.disable < logging.ERROR:
        logger.error("%s", message, exc_info=exc_info)
        return
    error = sys.exc_info()[1] if exc_info is True else exc_info
    lines = traceback.format_exception(type(error), error, error.__traceback__) if error else ()
    sys.stderr.write("".join([f"{message}\n", *lines]))


class AccessLog:
    """A line per request: method, path, status, milliseconds, bytes.

    Requests of a few milliseconds are told of together: a system call for each would cost as much as to read it, and
    lines that are made in a row take less time than between answers. The format is "text" or "json"; "own" is that of
    the user's ``logging.json``, through its logger, at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, log_format: str) -> None:
        self.marks = log_format != "text"  # lines say what request they belong to
        self._loop = loop
        self._logger = logging.getLogger(LOGGER)
        self._format = log_format
        self._enabled = self._logger.isEnabledFor(logging.INFO)
        self._answered: list[Answered] = []
        self._suffix = f" I [{os.getpid()}] {LOGGER} - "
        self._json = json_logs.AccessLines(LOGGER, os.getpid())

    def write(self, answered: Answered) -> None:
        """Tell of a request, soon."""
        if not self._enabled:
            return
        if self._format == "own":
            tracing.enter(answered.ids)
            self._logger.info("%s", _message(answered))
            tracing.enter(NO_IDS)
            return
        if not self._answered:
            self._loop.call_later(_TOGETHER_S, self.flush)
        self._answered.append(answered)

    def flush(self) -> None:
        """Write what is pending."""
        answered, self._answered = self._answered, []
        if answered:
            line = self._json.line if self._format == "json" else self._line
            sys.stdout.write("".join([line(each) for each in answered]))
            sys.stdout.flush()

    def _line(self, answered: Answered) -> str:
        return f"{clock(answered.seconds, '%Y-%m-%d %H:%M:%S', ',')}{self._suffix}{_message(answered)}\n"


def _message(answered: Answered) -> str:
    """`target` may hold anything that a client sends: what is not printable ASCII is escaped."""
    _, method, target, status, milliseconds, size, _, _ = answered
    return f"{method} {printable(target)} {status} {milliseconds:.3f}ms {size}"


def tree(path: str, depth: int = 0) -> Iterator[str]:
    """The lines of a listing of `path`: folders end in a slash, four spaces a level, names sorted."""
    name = "    " * depth + os.path.basename(os.path.normpath(path))
    if not os.path.isdir(path) or (depth and os.path.islink(path)):
        yield name
        return
    yield name + os.sep
    try:
        children = sorted(os.listdir(path))
    except OSError as error:
        yield "    " * (depth + 1) + f"({error.strerror})"
        return
    for child in children:
        yield from tree(os.path.join(path, child), depth + 1)


def log_tree(logger: logging.Logger, path: str) -> None:
    """Log the first 200 lines of the listing of a model folder."""
    logger.info("Model Directory Contents:")
    lines = tree(path)
    for _, line in zip(range(TREE_LINES), lines, strict=False):
        logger.info("%s", line)
    if next(lines, None) is not None:
        logger.info("Output Truncated. First %d lines shown.", TREE_LINES)
