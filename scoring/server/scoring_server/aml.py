"""The request and response types of scripts, under the names that Azure ML gave them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from werkzeug.wrappers import Request, Response

Function = TypeVar("Function", bound=Callable[..., Any])

# What the one route of Azure ML's server is called, which runs on Flask.
ENDPOINT = "main.handle_score"

raw_functions: list[Callable[..., Any]] = []


def rawhttp(func: Function) -> Function:
    """Mark run() as one that takes the HTTP request itself, of any method."""
    raw_functions.append(func)
    return func


class AMLRequest(Request):
    """The HTTP request as a run() marked with `rawhttp` gets it; it has what ``flask.Request`` has.

    Where the script imports Flask, it gets Flask's own, within the context that Flask's helpers want.
    """

    endpoint = ENDPOINT
    blueprint = ENDPOINT.partition(".")[0]
    url_rule = None
    routing_exception = None

    @property
    def view_args(self) -> dict[str, Any]:
        """What the route's path holds: nothing."""
        return {}

    @property
    def blueprints(self) -> list[str]:
        """The names of the route's group."""
        return [self.blueprint]

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON; see werkzeug's ``Request.get_json``."""
        return super().get_json(force=force, silent=silent, cache=cache)


class AMLResponse(Response):
    """An HTTP answer made by a script.

    `message` is text, bytes or an iterable of either, which is then streamed; with `json_str`, anything that
    ``json.dumps`` takes; None is an empty JSON object. A comma in a header's value makes repeated headers of it.
    Raises TypeError for any other message.
    """

    default_mimetype = "text/html"  # as Flask's, which the reference's is

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        headers = response_headers or {}
        if message is None or json_str:
            body = json.dumps({} if message is None else message)
            super().__init__(body, status=status_code, mimetype="application/json")
        else:
            if not hasattr(message, "__iter__"):
                raise TypeError(
                    f"AMLResponse takes text, bytes or an iterable of either, not {type(message).__name__}. "
                    "To send it as JSON, pass json_str=True."
                )
            super().__init__(message, status=status_code)
            if any(name.lower() == "content-type" for name in headers):
                del self.headers["Content-Type"]
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, value in headers.items():
            for part in str(value).split(","):
                self.headers.add(name, part.strip())
