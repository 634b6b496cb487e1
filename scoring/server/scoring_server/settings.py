"""The server's settings: command-line flag, then environment, then ``config.json``, then default."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .conversions import (
    digests,
    flag,
    integer,
    level,
    log_format,
    origins,
    prefix,
    proxies,
    seconds,
    share,
    switch,
    text,
    time_limit,
    words,
)

DEFAULT_APP_ROOT = "/var/azureml-app"
DEFAULT_HEALTH_PORT = 5000
MEBIBYTE = 1024 * 1024
_FRONT = 64 * MEBIBYTE  # what the front takes itself, and a little more
_LEAST_ROOM = 4 * MEBIBYTE


class SettingsError(ValueError):
    """A setting that cannot be used. The message names it, what was given and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Each field's comment is its environment variable.

    The variables without the ``SCORING_`` prefix, and ``SCORING_TIMEOUT_MS``, are those of Azure ML's inference server.
    """

    app_root: str = DEFAULT_APP_ROOT  # AML_APP_ROOT
    entry_script: str = ""  # AZUREML_ENTRY_SCRIPT, relative to app_root or absolute; empty: main.py
    source_directory: str = ""  # AZUREML_SOURCE_DIRECTORY
    model_dir: str = ""  # AZUREML_MODEL_DIR
    log_level: str = "INFO"  # AZUREML_LOG_LEVEL
    service_name: str = "ML service"  # SERVICE_NAME
    service_version: str = "1.0"  # SERVICE_VERSION
    path_prefix: str = ""  # SERVICE_PATH_PREFIX, held as "" or "/a/b"
    worker_count: int = 1  # WORKER_COUNT
    worker_preload: bool = True  # WORKER_PRELOAD: with several workers, init() once, then fork
    worker_timeout_s: float = 0.0  # WORKER_TIMEOUT: a second limit on run(), 0 for none
    scoring_timeout_ms: int = 3_600_000  # SCORING_TIMEOUT_MS
    cors_origins: tuple[str, ...] = ()  # AML_CORS_ORIGINS
    server_version_header: bool = True  # SERVER_VERSION_LOG_RESPONSE_ENABLED
    host: str = "0.0.0.0"  # noqa: S104  # SCORING_HOST; a container's port is published by its engine
    port: int = 5001  # SCORING_PORT, or --port
    separate_health: bool = False  # SEPERATE_HEALTH_ENDPOINT: a health port, 5000 unless another is set
    health_port: int = 0  # SCORING_HEALTH_PORT, or --health_port; 0 for none; never TLS
    fast_json: bool = True  # SCORING_FAST_JSON
    fast_arrays: bool = True  # SCORING_FAST_ARRAYS
    nan_as_null: bool = False  # SCORING_NAN_AS_NULL: NaN and infinities in results become null instead of an error
    batch_size: int = 64  # SCORING_BATCH_SIZE: requests in one call of the script's run_batch(), at most
    batch_delay_ms: int = (
        1  # SCORING_BATCH_DELAY_MS: that several requests wait for more at most; a lone one never waits
    )
    warmup_sample: str = ""  # SCORING_WARMUP_SAMPLE: a request's body, in a file relative to app_root; run before ready
    max_body_bytes: int = 100 * MEBIBYTE  # SCORING_MAX_BODY_BYTES
    max_buffered_bytes: int = (
        512 * MEBIBYTE  # SCORING_MAX_BUFFERED_BYTES: bodies of all requests, and answers not yet taken, together
    )
    max_queue: int = 1000  # SCORING_MAX_QUEUE: requests that wait for a worker
    queue_timeout_ms: int = 0  # SCORING_QUEUE_TIMEOUT_MS: how long they wait, 0 for as long as it takes
    stream_buffer_bytes: int = 8 * MEBIBYTE  # SCORING_STREAM_BUFFER_BYTES: of a streamed answer, for a slow caller
    stream_rate: int = 128 * 1024  # SCORING_STREAM_RATE: bytes/s that a caller must take while a worker waits for it
    max_connections: int = 4096  # SCORING_MAX_CONNECTIONS
    read_timeout_s: float = 30.0  # SCORING_READ_TIMEOUT: for a request's head, and for silence within a body
    keep_alive_s: float = 75.0  # SCORING_KEEP_ALIVE: an idle connection's life
    forwarded_allow_ips: tuple[str, ...] = ()  # SCORING_FORWARDED_ALLOW_IPS: proxies whose X-Forwarded-... is believed
    keys_file: str = ""  # SCORING_KEYS_FILE: one key a line; empty: no key is asked for
    tls_certificate: str = ""  # SCORING_TLS_CERTIFICATE, a PEM file with the chain
    tls_key: str = ""  # SCORING_TLS_KEY, a PEM file
    metrics: bool = True  # SCORING_METRICS: answer /metrics
    metrics_open: bool = False  # SCORING_METRICS_OPEN: without a key, even where the rest asks for one
    log_format: str = "text"  # SCORING_LOG_FORMAT: "json" for an object a line
    request_log_rate: float = 0.0  # SCORING_REQUEST_LOG_RATE: share of the requests that are recorded, 0 to 1
    request_log_path: str = "/tmp/requests.jsonl"  # noqa: S108  # SCORING_REQUEST_LOG_PATH; writable in the container
    request_log_record_bytes: int = 64 * 1024  # SCORING_REQUEST_LOG_RECORD_BYTES: bodies are cut to fit
    request_log_file_bytes: int = 4 * MEBIBYTE  # SCORING_REQUEST_LOG_FILE_BYTES: then the next file begins
    request_log_files: int = 3  # SCORING_REQUEST_LOG_FILES: kept, the one being written included
    ui: str = "auto"  # SCORING_UI: the test page on, off, or auto: on unless keys are asked for
    sample_input: str = ""  # SCORING_SAMPLE_INPUT: a JSON file, in place of sample_input.json beside the script
    listen_when_ready: bool = False  # SCORING_LISTEN_WHEN_READY: until then refuse connections
    drain_s: float = 9.0  # SCORING_DRAIN: from SIGTERM to exit, all included; below docker stop's 10 s
    verify_models: bool = True  # SCORING_VERIFY_MODELS: compare the models with their digests before init() runs
    model_digests: Mapping[str, str] = field(default_factory=dict)  # SCORING_MODEL_DIGESTS: sha256 by name/version
    model_records: str = "/opt/model-records"  # SCORING_MODEL_RECORDS: records of the models' files, and samples
    lame_duck_s: float = 0.0  # SCORING_LAME_DUCK: before that, still serving while health checks fail already
    unknown_keys: tuple[str, ...] = field(default=(), compare=False)  # of the config file, to be warned about
    unknown_variables: tuple[str, ...] = field(default=(), compare=False)  # that begin as this server's own do

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ, memory: int | None = None) -> Settings:
        """Settings from `environ` and the config file that it leads to. Raises SettingsError.

        `memory` is what the process may use in bytes, None for no limit: what bodies may take follows it.
        """
        config = read_config(environ)
        values: dict[str, Any] = {}
        for variable, (name, convert) in _VARIABLES.items():
            given = environ.get(variable) or config.get(variable)  # an empty variable is one that is not set
            if given is None or given == "":
                continue
            try:
                values[name] = convert(_as_text(given))
            except ValueError as error:
                raise SettingsError(f"{variable} is {given!r}; {error}.") from None
        if values.get("separate_health"):
            values.setdefault("health_port", DEFAULT_HEALTH_PORT)
        values["unknown_keys"] = tuple(sorted(set(config) - set(_VARIABLES) - _IGNORED))
        given_names = {name for name in environ if name.startswith("SCORING_")}
        values["unknown_variables"] = tuple(sorted(given_names - set(_VARIABLES)))
        _check_room(values, memory)
        return cls(**values)

    @property
    def limit_ms(self) -> int:
        """How long one run() may take, in ms."""
        if self.worker_timeout_s:
            return min(self.scoring_timeout_ms, int(self.worker_timeout_s * 1000))
        return self.scoring_timeout_ms

    @property
    def script_path(self) -> str:
        return os.path.join(self.app_root, self.entry_script or "main.py")


def _check_room(values: dict[str, Any], memory: int | None) -> None:
    """See that there is room for the largest body. Raises SettingsError where both sizes are given and do not fit."""
    largest, held = values.get("max_body_bytes"), values.get("max_buffered_bytes")
    if held is None:
        held = max(_room(memory), largest or 0)
    if largest is None:
        largest = min(Settings.max_body_bytes, held)
    if held < largest:
        raise SettingsError(
            f"SCORING_MAX_BUFFERED_BYTES is {held}; it must be at least SCORING_MAX_BODY_BYTES, which is {largest}."
        )
    values.update(max_body_bytes=largest, max_buffered_bytes=held)


def _room(memory: int | None) -> int:
    """How many bytes of bodies go with a limit of the memory: the kernel would end the front, and with it all."""
    if memory is None:
        return Settings.max_buffered_bytes
    # Half of what the front leaves: a body that is complete is there twice for a moment.
    return min(Settings.max_buffered_bytes, max(_LEAST_ROOM, (memory - _FRONT) // 2))


def read_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """The config file's values: ``AZUREML_CONFIG_FILE``, else ``config.json`` in the app root, else beside the script.

    Only the first may be wrong aloud: a ``config.json`` that is no JSON object may well be the script's own.
    """
    named = environ.get("AZUREML_CONFIG_FILE", "")
    if named:
        config = _read_object(named)
        if config is None:
            raise SettingsError(f"AZUREML_CONFIG_FILE is {named!r}; it must be a readable file with a JSON object.")
        return config
    root = environ.get("AML_APP_ROOT") or DEFAULT_APP_ROOT
    script = os.path.join(root, environ.get("AZUREML_ENTRY_SCRIPT", ""))
    for folder in (root, os.path.dirname(script)):
        config = _read_object(os.path.join(folder, "config.json"))
        if config is not None:
            return config
    return {}


def _read_object(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)


_PORT = integer(1, 65535)
_BYTES = integer(1, 2**32 - 1)  # the frames' lengths have 32 bits

_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "AML_APP_ROOT": ("app_root", text),
    "AZUREML_ENTRY_SCRIPT": ("entry_script", text),
    "AZUREML_SOURCE_DIRECTORY": ("source_directory", text),
    "AZUREML_MODEL_DIR": ("model_dir", text),
    "AZUREML_LOG_LEVEL": ("log_level", level),
    "SERVICE_NAME": ("service_name", words),
    "SERVICE_VERSION": ("service_version", words),
    "SERVICE_PATH_PREFIX": ("path_prefix", prefix),
    "WORKER_COUNT": ("worker_count", integer(1, 1024)),
    "WORKER_PRELOAD": ("worker_preload", flag),
    "WORKER_TIMEOUT": ("worker_timeout_s", seconds),
    "SCORING_TIMEOUT_MS": ("scoring_timeout_ms", integer(1, 2**31 - 1)),
    "AML_CORS_ORIGINS": ("cors_origins", origins),
    "SERVER_VERSION_LOG_RESPONSE_ENABLED": ("server_version_header", flag),
    "SEPERATE_HEALTH_ENDPOINT": ("separate_health", flag),  # in Azure ML's spelling
    "SCORING_HOST": ("host", text),
    "SCORING_PORT": ("port", _PORT),
    "SCORING_HEALTH_PORT": ("health_port", _PORT),
    "SCORING_FAST_JSON": ("fast_json", flag),
    "SCORING_FAST_ARRAYS": ("fast_arrays", flag),
    "SCORING_NAN_AS_NULL": ("nan_as_null", flag),
    "SCORING_BATCH_SIZE": ("batch_size", integer(1, 4096)),
    "SCORING_BATCH_DELAY_MS": ("batch_delay_ms", integer(0, 10_000)),
    "SCORING_WARMUP_SAMPLE": ("warmup_sample", text),
    "SCORING_MAX_BODY_BYTES": ("max_body_bytes", _BYTES),
    "SCORING_MAX_BUFFERED_BYTES": ("max_buffered_bytes", integer(1, 2**62)),
    "SCORING_MAX_QUEUE": ("max_queue", integer(0, 1_000_000)),
    "SCORING_QUEUE_TIMEOUT_MS": ("queue_timeout_ms", integer(0, 2**31 - 1)),
    "SCORING_STREAM_BUFFER_BYTES": ("stream_buffer_bytes", integer(1, 2**62)),
    "SCORING_STREAM_RATE": ("stream_rate", integer(0, 2**31 - 1)),
    "SCORING_MAX_CONNECTIONS": ("max_connections", integer(1, 1_000_000)),
    "SCORING_READ_TIMEOUT": ("read_timeout_s", time_limit),
    "SCORING_KEEP_ALIVE": ("keep_alive_s", seconds),
    "SCORING_FORWARDED_ALLOW_IPS": ("forwarded_allow_ips", proxies),
    "SCORING_KEYS_FILE": ("keys_file", text),
    "SCORING_TLS_CERTIFICATE": ("tls_certificate", text),
    "SCORING_TLS_KEY": ("tls_key", text),
    "SCORING_METRICS": ("metrics", flag),
    "SCORING_METRICS_OPEN": ("metrics_open", flag),
    "SCORING_LOG_FORMAT": ("log_format", log_format),
    "SCORING_REQUEST_LOG_RATE": ("request_log_rate", share),
    "SCORING_REQUEST_LOG_PATH": ("request_log_path", text),
    "SCORING_REQUEST_LOG_RECORD_BYTES": ("request_log_record_bytes", integer(8192, 2**30)),
    "SCORING_REQUEST_LOG_FILE_BYTES": ("request_log_file_bytes", integer(8192, 2**40)),
    "SCORING_REQUEST_LOG_FILES": ("request_log_files", integer(1, 1000)),
    "SCORING_UI": ("ui", switch),
    "SCORING_SAMPLE_INPUT": ("sample_input", text),
    "SCORING_LISTEN_WHEN_READY": ("listen_when_ready", flag),
    "SCORING_DRAIN": ("drain_s", seconds),
    "SCORING_VERIFY_MODELS": ("verify_models", flag),
    "SCORING_MODEL_DIGESTS": ("model_digests", digests),
    "SCORING_MODEL_RECORDS": ("model_records", text),
    "SCORING_LAME_DUCK": ("lame_duck_s", seconds),
}
# Known to Azure ML's server and without meaning here.
_IGNORED = {"WORKSPACE_NAME", "HOSTNAME", "AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY"}
_IGNORED |= {"AML_MODEL_DC_STORAGE_ENABLED", "APP_INSIGHTS_LOG_RESPONSE_ENABLED", "AZUREML_DEBUG_PORT"}
