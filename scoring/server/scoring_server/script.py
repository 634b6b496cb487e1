"""The entry script: found, loaded, its run() understood and called."""

from __future__ import annotations

import contextlib
import enum
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from . import inputs, legacy, onestep
from .logs import LOGGER
from .settings import Settings

logger = logging.getLogger(LOGGER)


_FLASK = re.compile(
    rb"^\s*(?:import\s+(?:[\w.]+(?:\s+as\s+\w+)?\s*,\s*)*flask\b|from\s+flask[\w.]*\s+import\b)", re.MULTILINE
)


class ScriptError(Exception):
    """An entry script that cannot be served."""


class Style(enum.Enum):
    """What run() takes."""

    PLAIN = "plain"  # the body as text
    RAW = "raw"  # the HTTP request
    SCHEMA = "schema"  # keyword arguments from a JSON object


class Script:
    """A loaded script. `run` is the script's function, `call` takes a request to it."""

    def __init__(self, module: ModuleType) -> None:
        run_batch = getattr(module, "run_batch", None)
        self.run_batch: Callable[[list[str]], Any] | None = run_batch if callable(run_batch) else None
        for name in ("init", "run") if self.run_batch is None else ("init",):
            if not callable(getattr(module, name, None)):
                raise ScriptError(f"The entry script {module.__file__} has no function {name}(). Define one.")
        # A generated script may stand before the user's own and pass arguments on wrongly: call the user's.
        driven = getattr(module, "driver_module", None)
        owner = driven if isinstance(driven, ModuleType) and hasattr(driven, "run") else module
        self.module = module
        self.init: Callable[[], object] = module.init
        self.run: Callable[..., Any] = getattr(owner, "run", _run_alone)
        for name, function in (("init", self.init), ("run", self.run), ("run_batch", self.run_batch)):
            _check_plain(name, function)
        parameters = list(inspect.signature(self.run).parameters.values())
        allowed = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if any(parameter.kind not in allowed for parameter in parameters):
            raise ScriptError("run() must not take positional-only arguments, *args or **kwargs. Name its arguments.")
        self.takes_headers = any(parameter.name == "request_headers" for parameter in parameters)
        self.parameters = [parameter for parameter in parameters if parameter.name != "request_headers"]
        if not self.parameters:
            raise ScriptError("run() takes no argument for the input. Give it one, as in run(raw_data).")
        self.style = _style(self.run)
        self.names_flask = False  # in a module of the user's, be it within a function: its helpers want a context
        self._first = self.parameters[0].name
        if self.run_batch is not None and (self.style is not Style.PLAIN or self.takes_headers):
            kind = {Style.RAW: "decorated with @rawhttp", Style.SCHEMA: "decorated with @input_schema"}.get(
                self.style, "that takes request_headers"
            )
            raise ScriptError(
                f"run_batch() does not go with a run() {kind}: it gets the bodies of requests as text, and no more. "
                "Remove one of the two."
            )

    @property
    def needs_meta(self) -> bool:
        """Whether run() depends on more than the body of a POST."""
        asks_flask = self.names_flask and self.run_batch is None
        return self.takes_headers or self.style is not Style.PLAIN or asks_flask

    def arguments(self, meta: bytes, body: memoryview) -> dict[str, Any]:
        """The keyword arguments of run() for a request. Raises InputError."""
        if not meta:
            return {self._first: inputs.body_text(body)}
        request = inputs.RequestMeta.decode(meta)
        if self.style is Style.SCHEMA:
            is_get = request.method == "GET"
            values = inputs.query_values(request.query) if is_get else inputs.body_object(request, body)
            chosen = inputs.arguments(self.parameters, values)
        elif request.method == "GET":
            chosen = {self._first: inputs.query_json(request.query)}
        else:
            chosen = {self._first: inputs.body_text(body)}
        if self.takes_headers:
            chosen["request_headers"] = inputs.header_dict(request)
        return chosen

    def batch_input(self, meta: bytes, body: memoryview) -> str:
        """A request's part of the input of run_batch(): what run() would get. Raises InputError."""
        text: str = self.arguments(meta, body)[self._first]
        return text

    def raw_arguments(self, request: object, meta: inputs.RequestMeta) -> dict[str, Any]:
        """The keyword arguments of a raw run() for the request object `request`."""
        chosen = {self._first: request}
        if self.takes_headers:
            chosen["request_headers"] = inputs.header_dict(meta)
        return chosen


def _check_plain(name: str, function: Callable[..., Any] | None) -> None:
    """Raise ScriptError for a function whose call gives no result: nobody would await or iterate it."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ScriptError(f"{name}() is declared with async def, and would not be awaited. Declare it with def.")
    if name != "run_batch" and inspect.isgeneratorfunction(function):
        raise ScriptError(
            f"{name}() has a yield, so a call returns a generator. Return the result; to stream an answer, "
            "return AMLResponse(generator, 200)."
        )


def _run_alone(raw_data: str) -> Any:
    """Stands for run() in a script that has run_batch() alone."""
    raise NotImplementedError


def _style(run: Callable[..., Any]) -> Style:
    aml = sys.modules.get(f"{__package__}.aml")
    raw = aml is not None and bool(aml.raw_functions)
    schema = is_schema_decorated(run)
    if raw and schema:
        raise ScriptError("run() is decorated with both @rawhttp and @input_schema. Remove one of them.")
    return Style.RAW if raw else Style.SCHEMA if schema else Style.PLAIN


def is_schema_decorated(run: Callable[..., Any]) -> bool:
    """Whether inference-schema's decorators are on `run`."""
    schema_util = sys.modules.get("inference_schema.schema_util")
    return schema_util is not None and bool(schema_util.is_schema_decorated(run))


def load(settings: Settings) -> Script:
    """Import the entry script. Raises ScriptError, and whatever the script raises on import."""
    path = os.path.realpath(settings.script_path)
    if not os.path.isfile(path):
        raise ScriptError(_missing(settings, path))
    root = os.path.realpath(settings.app_root)
    faster = onestep.loader("entry_module", path) if settings.fast_json and settings.fast_arrays else None
    sys.path.insert(0, os.path.dirname(path))
    sys.path.append(root)
    if settings.source_directory:
        sys.path.append(os.path.join(root, settings.source_directory))
    legacy.install()
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise ScriptError(f"The entry script {path} is no Python file. Its name must end in .py.")
    if faster is not None and isinstance(spec.loader, SourceFileLoader):
        spec.loader = faster
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module  # dataclasses and pickle look their module up there
    spec.loader.exec_module(module)
    script = Script(module)
    script.names_flask = _names_flask([os.path.dirname(path), root])
    logger.info("Found user script at %s", path)
    logger.info("run() is %s", _DESCRIPTIONS[script.style])
    return script


def flask_class() -> Any:
    """Flask's application class where Flask is imported, else None."""
    return getattr(sys.modules.get("flask"), "Flask", None)


def _names_flask(folders: Sequence[str]) -> bool:
    """Whether a module in one of `folders` that is imported by now imports Flask, which this sees to then."""
    own = tuple(os.path.join(folder, "") for folder in folders)
    for module in list(sys.modules.values()):
        path = getattr(module, "__dict__", {}).get("__file__") or ""
        if path.startswith(own) and path.endswith(".py") and "site-packages" not in path:
            with contextlib.suppress(Exception):  # of the script, which may do without
                flask = sys.modules.get("flask")
                has_it = flask is not None and any(value is flask for value in list(vars(module).values()))
                if has_it or _FLASK.search(Path(path).read_bytes()):
                    importlib.import_module("flask")
                    return flask_class() is not None
    return False


_DESCRIPTIONS = {
    Style.PLAIN: "not decorated. Server will invoke it with the input in JSON string.",
    Style.RAW: "decorated with @rawhttp. Server will invoke it with the HTTP request object.",
    Style.SCHEMA: "decorated with @input_schema. Server will invoke it with keyword arguments.",
}


def _missing(settings: Settings, path: str) -> str:
    lines = [
        f"The entry script {path} does not exist. Set AZUREML_ENTRY_SCRIPT to its path within {settings.app_root}."
    ]
    if os.path.isfile(f"{path}.py"):
        lines.append(f"Did you mean {settings.entry_script}.py?")
    try:
        lines.append(f"{settings.app_root} holds: {', '.join(sorted(os.listdir(settings.app_root))) or 'nothing'}.")
    except OSError as failure:
        lines.append(f"{settings.app_root} cannot be listed: {failure.strerror}.")
    return " ".join(lines)
