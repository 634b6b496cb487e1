"""The applications that the cases are sent to: a script, its files and its settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "scripts"
CONFIG, LOGGING = "config.json", "logging.json"


@dataclass(frozen=True)
class App:
    """An application root and how the server is started on it.

    Attributes:
        script: the entry script, from the root.
        files: those of the folder `scripts` by their place in the root, the entry script included.
        texts: further files by their place.
        environ: variables; `{root}` stands for the root.
        arguments: of the command; with an `--entry_script`, nothing else names the script.
        workers: as many become ready.
    """

    script: str
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    workers: int = 1

    def write(self, root: Path) -> None:
        """Lay the files in `root`."""
        for place, source in self.files.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SCRIPTS / source, root / place)
        for place, text in self.texts.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(text)


MODELS = {
    "azureml-models/digits/2/model.txt": "digits 2",
    "azureml-models/digits/10/model.txt": "digits 10",
    "azureml-models/letters/1/folder/part.txt": "letters 1",
}
USERS_LOGGING = {
    "version": 1,
    "formatters": {
        "mine": {"format": "MINE %(name)s: %(message)s"},
        "theirs": {"()": "azureml_inference_server_http.log_config.AMLLogFormatter"},
    },
    "handlers": {
        "mine": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "mine"},
        "theirs": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "theirs"},
    },
    "loggers": {
        "azmlinfsrv": {"level": "INFO", "handlers": ["mine"]},
        "of.the.script": {"level": "INFO", "handlers": ["theirs"]},
    },
}
DOUBLE_DECORATED = """
from azureml_inference_server_http.api.aml_request import rawhttp
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

def init(): pass

@rawhttp
@input_schema("x", StandardPythonParameterType(1))
def run(x): return x
"""
SCHEMA_WITH_HEADERS = """
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

def init(): pass

@input_schema("x", StandardPythonParameterType(1))
def run(request_headers, x): return {"x": x, "headers": request_headers}
"""
RAW_WITH_HEADERS = """
from azureml_inference_server_http.api.aml_request import rawhttp

def init(): pass

@rawhttp
def run(request, request_headers): return {"method": request.method, "headers": request_headers}
"""

APPS = {
    "plain": App(
        "plain.py",
        {"plain.py": "plain.py", "sibling.py": "sibling.py"},
        # The log is in UTC wherever the container thinks that it is.
        environ={"TZ": "XXX-9"},
    ),
    "raw": App("x/y/raw.py", {"x/y/raw.py": "raw.py"}, environ={"AML_CORS_ORIGINS": "*"}),
    "flask": App("flaskraw.py", {"flaskraw.py": "flaskraw.py"}),
    "flask plain": App("flaskplain.py", {"flaskplain.py": "flaskplain.py"}),
    "schema": App("schema.py", {"schema.py": "schema.py"}),
    "nested": App("nested_schema.py", {"nested_schema.py": "nested_schema.py"}),
    "environment": App(
        "x/y/environment.py",
        {"x/y/environment.py": "environment.py", "sibling.py": "sibling.py"},
        {
            "from_root.py": "import from_source",
            "source/from_source.py": "VALUE = 1",
            CONFIG: json.dumps({"SERVICE_NAME": "of the file", "SERVICE_VERSION": "7", "SCORING_TIMEOUT_MS": 900}),
            f"x/y/{CONFIG}": json.dumps({"SERVICE_NAME": "beside the script", "SERVICE_VERSION": "8"}),
            "azureml-models/digits/1/model.txt": "digits 1",
        },
        {
            "AZUREML_SOURCE_DIRECTORY": "source",
            "AZUREML_MODEL_DIR": "{root}/azureml-models/digits/1",
            "SERVICE_NAME": "of the environment",
            "AML_CORS_ORIGINS": "http://a.example, http://b.example",
            "SERVER_VERSION_LOG_RESPONSE_ENABLED": "false",
        },
    ),
    "prefix": App(
        "logging_script.py", {"logging_script.py": "logging_script.py"}, environ={"SERVICE_PATH_PREFIX": "/a/b/"}
    ),
    "files": App(
        "sub/logging_script.py",
        {"sub/logging_script.py": "logging_script.py"},
        {
            f"sub/{CONFIG}": json.dumps({"SERVICE_NAME": "beside the script"}),
            LOGGING: json.dumps(USERS_LOGGING),
            "swagger.json": '{"mine": "first"}',
            "swagger2.json": '{"mine": 2}',
            "swagger3.json": '{"mine": 3}',
        },
    ),
    "schema with headers": App(
        "score.py",
        texts={
            "score.py": SCHEMA_WITH_HEADERS,
            "swagger2.json": '{"mine": "2, alone"}',
            "swagger3.1.json": '{"mine": 3.1}',
        },
    ),
    "raw with headers": App("score.py", texts={"score.py": RAW_WITH_HEADERS}),
    "flags": App(
        "environment.py",
        {"environment.py": "environment.py", "sibling.py": "sibling.py"},
        {
            "from_root.py": "",
            "named.json": json.dumps({"SERVICE_NAME": "of the file named", "SERVICE_VERSION": "9"}),
            CONFIG: json.dumps({"SERVICE_NAME": "of the root"}),
        },
        {
            "AZUREML_ENTRY_SCRIPT": "none.py",
            "AZUREML_MODEL_DIR": "none",
            "WORKER_COUNT": "1",
            "AML_CORS_ORIGINS": "http://a.example",
            "AZUREML_CONFIG_FILE": "none.json",
            "SEPERATE_HEALTH_ENDPOINT": "true",
        },
        (
            *("--entry_script", "environment.py", "--model_dir", "models", "--worker_count", "2"),
            *("--access_control_allow_origins", "http://b.example", "--config_file", "named.json"),
            *("--appinsights_instrumentation_key", "not-to-be-sent", "--health_port", "{health_port}"),
        ),
        workers=2,
    ),
    "imports": App(
        "x/y/imports.py",
        {"x/y/imports.py": "imports.py", "x/y/sibling.py": "sibling.py"},
        MODELS,
        {"AZUREML_MODEL_DIR": "{root}/azureml-models"},
    ),
    "failing": App(
        "score.py",
        texts={
            "score.py": "def init(): raise RuntimeError('no luck')\ndef run(data): return data\n",
            **MODELS,
            **{f"azureml-models/x{number:03}.txt": "" for number in range(300)},
        },
        environ={"AZUREML_MODEL_DIR": "{root}/azureml-models"},
    ),
    "star arguments": App("score.py", texts={"score.py": "def init(): pass\ndef run(*data): return data\n"}),
    "positional only": App("score.py", texts={"score.py": "def init(): pass\ndef run(data, /): return data\n"}),
    "headers only": App("score.py", texts={"score.py": "def init(): pass\ndef run(request_headers): return 1\n"}),
    "no run": App("score.py", texts={"score.py": "def init(): pass\n"}),
    "double decorated": App("score.py", texts={"score.py": DOUBLE_DECORATED}),
}


@dataclass(frozen=True)
class FailedStart:
    """An application that cannot be served: exit status 3, and patterns that its log has.

    `reference` are those of Azure ML's server, where they are others; `why`, where that is on purpose.
    """

    app: str
    log: tuple[str, ...]
    reference: tuple[str, ...] | None = None


LISTING = (
    "Model Directory Contents:$",
    "azmlinfsrv - azureml-models/$",
    "azmlinfsrv -     digits/$",
    "azmlinfsrv -         10/$",
    "azmlinfsrv -             model.txt$",
    "azmlinfsrv -     x189.txt$",
    "Output Truncated. First 200 lines shown.$",
)
FAILED_STARTS = (
    FailedStart("failing", ("User's init function failed", "^RuntimeError: no luck", "Traceback", *LISTING)),
    FailedStart(
        "star arguments",
        (r"run\(\) must not take positional-only arguments, \*args or \*\*kwargs",),
        (r"run\(\) cannot accept positional-only arguments, \*args, or \*\*kwargs",),
    ),
    FailedStart(
        "positional only",
        (r"run\(\) must not take positional-only arguments",),
        (r"run\(\) cannot accept positional-only arguments",),
    ),
    FailedStart("headers only", (r"run\(\) takes no argument",), (r"run\(\) needs to accept an argument other than",)),
    FailedStart("no run", (r"has no function run\(\)",), (r"does not have a run\(\) function",)),
    FailedStart("double decorated", (r"both @rawhttp and @input_schema",)),
)
