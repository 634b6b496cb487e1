"""The first request of a worker, before it is ready: what run() does only once should not keep a caller waiting."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from . import logs
from .exits import give_up
from .frames import Flag, Reply
from .inputs import RequestMeta
from .script import Script
from .settings import Settings

logger = logging.getLogger(logs.LOGGER)


def warm_up(settings: Settings, script: Script, rehearse: Callable[[bytes, bytes], Reply | None]) -> None:
    """Have `rehearse` answer the sample that is set, given as (meta, body) of a POST to ``/score``.

    Exits with status 3 and the cause in the log when the sample cannot be read or fails.
    """
    if not settings.warmup_sample:
        return
    path = os.path.join(settings.app_root, settings.warmup_sample)
    try:
        with open(path, "rb") as file:
            body = file.read()
    except OSError as failure:
        logs.tell(logger, f"SCORING_WARMUP_SAMPLE is {settings.warmup_sample!r}, and {path} cannot be read: {failure}")
        give_up()
    reply = rehearse(_meta(settings, len(body)) if script.needs_meta else b"", body)
    if reply is None or reply.status >= 400 or reply.flags & Flag.RUN_FAILED:
        said = "no answer" if reply is None else f"{reply.status} {reply.body[:1000].decode(errors='replace')}"
        logs.tell(logger, f"The warm-up with {path} failed: {said}")
        give_up()
    logger.info("Warmed up with %s in %.3f ms", path, reply.nanoseconds / 1e6)


def _meta(settings: Settings, size: int) -> bytes:
    headers = [
        (b"Host", b"localhost"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(size).encode()),
    ]
    target = f"{settings.path_prefix}/score"
    return RequestMeta("POST", target, "1.1", headers, ("127.0.0.1", 0), "http").encode()
