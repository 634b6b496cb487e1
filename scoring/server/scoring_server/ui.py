"""The test page at ``/ui``: its own files and Swagger UI's, read when first asked for and then kept in memory."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .logs import LOGGER
from .results import INTERNAL_ERROR
from .settings import Settings

if TYPE_CHECKING:
    from .exchange import Exchange

logger = logging.getLogger(LOGGER)

Route = tuple[Callable[["Exchange"], None], tuple[str, ...]]

METHODS = ("GET", "HEAD", "OPTIONS")
PAGE = "index.html"
SWAGGER_PACKAGE = "flask_swagger_ui"  # taken for the files in it; it is never imported
_OWN_FILES = ("page.css", "page.js", "api.js", "images.js", "json.js", "pad.js", "reference.js", "icon.svg")
_SWAGGER_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing from elsewhere, nothing inline. Swagger UI's style sheet holds its icons as data: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEAD = (
    f"Content-Security-Policy: {_POLICY}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
).encode()
_ACCEPTS_GZIP = re.compile(rb"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)


class File:
    """A file as it is sent: the header lines that go with it, its entity tag, and its content, packed by gzip.

    Every browser takes it packed, which is a quarter of the whole. The whole is kept once it is asked for.
    """

    def __init__(self, head: bytes, tag: bytes, packed: bytes) -> None:
        self.head = head
        self.tag = tag
        self.packed = packed

    @functools.cached_property
    def content(self) -> bytes:
        import gzip

        return gzip.decompress(self.packed)


class Ui:
    """The page's routes. Without `SCORING_UI` the page is there unless keys are asked for."""

    def __init__(self, settings: Settings, *, keys_required: bool) -> None:
        self.routes: dict[str, Route] = {}
        self._files: dict[str, File] = {}
        self._loading: dict[str, asyncio.Future[File]] = {}
        self._words = {
            "keys": "required" if keys_required else "none",
            "service": settings.service_name,
            "version": settings.service_version,
        }
        if settings.ui == "on" or (settings.ui == "auto" and not keys_required):
            root = f"{settings.path_prefix}/ui"
            self.routes[root] = functools.partial(self._answer, PAGE), METHODS
            self.routes[f"{root}/"] = _redirect, METHODS
            for name in (*_OWN_FILES, *_SWAGGER_FILES):
                self.routes[f"{root}/{name}"] = functools.partial(self._answer, name), METHODS

    def admits(self, exchange: Exchange) -> bool:
        """Whether the request is for a file of the page. These hold no secret, and a browser sends no key for them."""
        return exchange.method in ("GET", "HEAD") and exchange.target.partition("?")[0] in self.routes

    def _answer(self, name: str, exchange: Exchange) -> None:
        file = self._files.get(name)
        if file is not None:
            _send(file, exchange)
            return
        loading = self._loading.get(name)
        if loading is None:
            # In a thread, as packing Swagger UI takes long enough to hold up scoring; once for all who ask meanwhile.
            loading = self._loading[name] = asyncio.get_running_loop().run_in_executor(None, load, name, self._words)
        loading.add_done_callback(functools.partial(self._loaded, name, exchange))

    def _loaded(self, name: str, exchange: Exchange, loading: asyncio.Future[File]) -> None:
        self._loading.pop(name, None)
        try:
            file = self._files[name] = loading.result()
        except OSError as error:
            logger.error("The test page's %s cannot be read: %s", name, error)
            exchange.error(404, f"{name} is not installed.")
        except Exception:
            logger.exception("The test page's %s cannot be made", name)
            exchange.error(500, INTERNAL_ERROR)
        else:
            _send(file, exchange)


def load(name: str, words: Mapping[str, str]) -> File:
    """Read a file of the page, with `words` put into the page itself. Raises OSError without it."""
    # Here, as no server that only scores has a use for them.
    import gzip
    import hashlib
    import html

    with open(_path(name), "rb") as source:
        content = source.read()
    if name == PAGE:
        for word, value in words.items():
            content = content.replace(b"{%b}" % word.encode(), html.escape(value).encode())
    tag = b'W/"%b"' % hashlib.sha256(content).hexdigest()[:16].encode()
    # The page and its scripts must fit each other: asked for anew each time, and not sent again if unchanged.
    caching = "public, max-age=86400" if name in _SWAGGER_FILES else "no-cache"
    media_type = _MEDIA_TYPES[os.path.splitext(name)[1]]
    head = f"Content-Type: {media_type}\r\nCache-Control: {caching}\r\nVary: Accept-Encoding\r\n".encode()
    return File(_HEAD + head + b"ETag: %b\r\n" % tag, tag, gzip.compress(content, mtime=0))


def _path(name: str) -> str:
    if name not in _SWAGGER_FILES:
        return os.path.join(os.path.dirname(__file__), "ui_files", name)
    import importlib.util

    found = importlib.util.find_spec(SWAGGER_PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {SWAGGER_PACKAGE} is missing")
    return os.path.join(os.path.dirname(found.origin), "dist", name)


def _send(file: File, exchange: Exchange) -> None:
    known = exchange.fields.get(b"if-none-match", b"")
    if file.tag in known:
        exchange.respond(304, file.head, b"", failed=None)
    elif _ACCEPTS_GZIP.search(exchange.fields.get(b"accept-encoding", b"")):
        exchange.respond(200, file.head + b"Content-Encoding: gzip\r\n", file.packed, failed=None, shared=True)
    else:
        exchange.respond(200, file.head, file.content, failed=None, shared=True)


def _redirect(exchange: Exchange) -> None:
    exchange.respond(308, _HEAD + b"Location: ../ui\r\n", b"", failed=None)
