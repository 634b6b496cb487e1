"""The command ``azmlinfsrv``, with the flags of Azure ML's inference server; also ``python -m scoring_server``."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence

from . import __version__, cgroups, signals
from .forked import Forked
from .processes import Launcher, WorkerProcess
from .settings import Settings, SettingsError

USAGE_ERROR = 1
CONFIGURATION_ERROR = 3


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; allowed are 1 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers; allowed are 1 and more")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    commands = argparse.ArgumentParser(
        prog="azmlinfsrv", description=f"Serves a score.py over HTTP (version {__version__})."
    )
    add = commands.add_argument
    add("--entry_script", help="path of the scoring script")
    add("--model_dir", help="path of the model folder, which the script gets as AZUREML_MODEL_DIR")
    add("--port", type=_port, help="port to serve on (default 5001)")
    add("--health_port", type=_port, help="another port that answers, for health checks")
    add("--worker_count", type=_count, help="processes that run the script (default 1)")
    add("--appinsights_instrumentation_key", help="accepted for compatibility; nothing is sent anywhere")
    add("--access_control_allow_origins", help='origins allowed by CORS, as "https://a.example, b.example" or "*"')
    add("--config_file", help="path of a JSON file with settings")
    return commands


def environment(arguments: argparse.Namespace, environ: Mapping[str, str], cwd: str) -> dict[str, str]:
    """`environ` with what the flags set. With a script by flag, the app root is the working directory by default."""
    result = dict(environ)
    if arguments.entry_script is not None:
        result["AML_APP_ROOT"] = result.get("AML_APP_ROOT") or cwd
        result["AZUREML_ENTRY_SCRIPT"] = os.path.realpath(os.path.join(cwd, arguments.entry_script))
    if arguments.config_file is not None:
        result["AML_APP_ROOT"] = result.get("AML_APP_ROOT") or cwd
        result["AZUREML_CONFIG_FILE"] = os.path.realpath(os.path.join(cwd, arguments.config_file))
    given = {
        "AZUREML_MODEL_DIR": arguments.model_dir,
        "SCORING_PORT": arguments.port,
        "SCORING_HEALTH_PORT": arguments.health_port,
        "WORKER_COUNT": arguments.worker_count,
        "AML_CORS_ORIGINS": arguments.access_control_allow_origins,
    }
    result.update({name: str(value) for name, value in given.items() if value is not None})
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Start the server; returns its exit status."""
    _fill_streams()
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:
        return USAGE_ERROR if stop.code else 0
    environ = environment(arguments, os.environ, os.getcwd())
    try:
        settings = Settings.from_environ(environ, cgroups.memory_limit())
    except SettingsError as error:
        _complain(f"Configuration error: {error}", environ.get("SCORING_LOG_FORMAT", "").lower())
        return CONFIGURATION_ERROR
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    launcher = Launcher(settings, environ)
    signals.note_early()
    # The workers load the script while this process loads the rest of itself, and reads the models.
    try:
        processes = launcher.start_first(settings.worker_count)
    except OSError as error:
        return _give_up(error, settings, launcher, [])
    if isinstance(processes, Forked):
        return processes.run()
    from . import verification

    verified = verification.begin(settings)
    from . import listening, server
    from .keys import Keys
    from .tls import Certificate

    ports = [settings.port] + ([settings.health_port] if settings.health_port not in (0, settings.port) else [])
    try:
        access = server.Access(Keys(settings.keys_file), Certificate.from_settings(settings))
        request_log = None
        if settings.request_log_rate:
            from .request_log import RequestLog

            request_log = RequestLog(settings)
        sockets = [listening.bind(settings.host, port, refuse=settings.listen_when_ready) for port in ports]
    except (OSError, SettingsError) as error:
        return _give_up(error, settings, launcher, processes)
    try:
        return server.run(settings, launcher, processes, sockets, access, request_log, verified)
    except (SettingsError, verification.ModelChangedError) as error:
        return _give_up(error, settings, launcher, processes)


def _fill_streams() -> None:
    """Open what the server was started without: else a socket would have the number of, say, standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - open until the process ends


def _complain(message: str, log_format: str) -> None:
    if log_format == "json":
        from . import json_logs
        from .logs import LOGGER

        message = json.dumps(json_logs.head(time.time(), "ERROR", LOGGER, os.getpid(), message))
    print(message, file=sys.stderr)


def _give_up(error: Exception, settings: Settings, launcher: Launcher, processes: Sequence[WorkerProcess]) -> int:
    """Say why the server cannot start, and end the workers that have been started; returns the exit status."""
    _complain(f"Cannot start: {error.strerror if isinstance(error, OSError) else error}", settings.log_format)
    for process in processes:
        process.kill()
    launcher.close()
    return USAGE_ERROR if isinstance(error, OSError) else CONFIGURATION_ERROR


if __name__ == "__main__":
    sys.exit(main())
