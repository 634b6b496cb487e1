"""From an HTTP request to the arguments of run()."""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from .results import encode


class InputError(Exception):
    """A request that cannot become an input: the status and message of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestMeta(msgspec.Struct, frozen=True, array_like=True):
    """A request without its body. `target` is the path and query as sent, `headers` the pairs as sent."""

    method: str
    target: str
    http_version: str
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int]
    scheme: str

    def encode(self) -> bytes:
        return _encode_meta(self)

    @staticmethod
    def decode(meta: bytes) -> RequestMeta:
        return _decode_meta(meta)

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: bytes) -> str:
        """The value of a header, or "" without it."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.decode("latin-1")
        return ""


_SLASHES = re.compile("//+")
_encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(RequestMeta).decode


def with_single_slashes(path: str) -> str:
    """A path with repeated slashes as one, which is how clients that join an address and a path are understood."""
    return _SLASHES.sub("/", path) if "//" in path else path


def header_dict(meta: RequestMeta) -> dict[str, str]:
    """Headers as scripts get them in `request_headers`: ``Title-Case`` names, repeated ones joined with a comma."""
    headers: dict[str, str] = {}
    for key, content in meta.headers:
        title, value = key.decode("latin-1").title(), content.decode("latin-1")
        headers[title] = f"{headers[title]},{value}" if title in headers else value
    return headers


def query_values(query: str) -> dict[str, Any]:
    """The query's parameters: each value as JSON where it is JSON, else as text; repeated ones as a list."""
    values: dict[str, list[Any]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(_json_or_text(value))
    return {name: items[0] if len(items) == 1 else items for name, items in values.items()}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def query_json(query: str) -> str:
    """The query as the body that a plain run() gets. Raises InputError for values that JSON does not have."""
    try:
        return encode(query_values(query)).decode()
    except ValueError:
        raise InputError(400, "The query holds NaN or Infinity, which JSON does not have.") from None


def body_text(body: memoryview) -> str:
    """The body as text. Raises InputError where it is not UTF-8."""
    try:
        return str(body, "utf-8")
    except UnicodeDecodeError as failure:
        raise InputError(400, f"Input cannot be decoded as UTF-8: {failure}") from None


def body_object(meta: RequestMeta, body: memoryview) -> dict[str, Any]:
    """The body of a request to a script with schemas, a JSON object. Raises InputError."""
    media_type = meta.header(b"content-type").partition(";")[0].strip().lower()
    if not (
        media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise InputError(415, "Expects Content-Type to be application/json")
    if not body:
        raise InputError(400, "POST body is empty. Expecting a JSON dictionary.")
    content = body_text(body).removeprefix("\ufeff")  # a byte order mark is UTF-8, too
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as failure:
        raise InputError(400, f"POST body could not be decoded as JSON: {failure}") from None
    if not isinstance(value, dict):
        raise InputError(400, "POST body should be a JSON dictionary.")
    return value


def arguments(parameters: Sequence[inspect.Parameter], values: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments for `parameters`: other values are ignored, defaults honoured. Raises InputError."""
    chosen = {}
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            raise InputError(400, f"A value is not provided for the {parameter.name!r} parameter.")
        chosen[parameter.name] = value
    return chosen


def wsgi_environ(meta: RequestMeta, body: memoryview) -> dict[str, Any]:
    """The request as a WSGI environment (PEP 3333), from which werkzeug and Flask make theirs."""
    content = bytes(body)
    path, _, query = meta.target.partition("?")
    host, colon, port = meta.header(b"host").rpartition(":")
    if not colon:
        host, port = port, ""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": meta.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": with_single_slashes(unquote_to_bytes(path).decode("latin-1")),  # as the service finds its routes
        "QUERY_STRING": query,
        "RAW_URI": meta.target,
        "REQUEST_URI": meta.target,
        "SERVER_PROTOCOL": f"HTTP/{meta.http_version}",
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": port if port.isdecimal() else ("443" if meta.scheme == "https" else "80"),
        "REMOTE_ADDR": meta.client[0],
        "REMOTE_PORT": str(meta.client[1]),
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": meta.scheme,
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, content in meta.headers:
        # An underscore would pass for the dash of another header.
        if b"_" in name or name.lower() in (b"content-length", b"transfer-encoding"):
            continue
        key, value = name.decode("latin-1").upper().replace("-", "_"), content.decode("latin-1")
        if key != "CONTENT_TYPE":
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
