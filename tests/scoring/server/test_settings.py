from __future__ import annotations

import json
from pathlib import Path

import pytest
from scoring_server.cli import environment, parser
from scoring_server.settings import _VARIABLES as VARIABLES
from scoring_server.settings import Settings, SettingsError


def test_defaults() -> None:
    settings = Settings.from_environ({})
    assert (settings.port, settings.worker_count, settings.scoring_timeout_ms) == (5001, 1, 3_600_000)
    assert settings.script_path == "/var/azureml-app/main.py"


@pytest.mark.parametrize(
    ("variable", "given", "name", "expected"),
    [
        ("AML_CORS_ORIGINS", "https://A.example/, *,", "cors_origins", ("https://A.example", "*")),
        ("AML_CORS_ORIGINS", "a.example", "cors_origins", ("http://a.example", "https://a.example")),
        ("AML_CORS_ORIGINS", '["http://[::1]:80", "null"]', "cors_origins", ("http://[::1]:80", "null")),
        ("SCORING_FORWARDED_ALLOW_IPS", "10.0.0.0/8, ::1,", "forwarded_allow_ips", ("10.0.0.0/8", "::1")),
        ("SCORING_FORWARDED_ALLOW_IPS", "*", "forwarded_allow_ips", ("*",)),
        ("SERVICE_PATH_PREFIX", "/a/b/", "path_prefix", "/a/b"),
        ("SERVICE_PATH_PREFIX", "/", "path_prefix", ""),
        ("WORKER_PRELOAD", "False", "worker_preload", False),
        ("WORKER_TIMEOUT", "2.5", "worker_timeout_s", 2.5),
        ("AZUREML_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("WORKER_COUNT", "", "worker_count", 1),
        ("SERVICE_NAME", "", "service_name", "ML service"),
        ("SEPERATE_HEALTH_ENDPOINT", "true", "health_port", 5000),
        ("SEPERATE_HEALTH_ENDPOINT", "false", "health_port", 0),
        ("SEPERATE_HEALTH_ENDPOINT", "", "health_port", 0),
        ("SCORING_LOG_FORMAT", "JSON", "log_format", "json"),
        ("SCORING_REQUEST_LOG_RATE", "0.25", "request_log_rate", 0.25),
    ],
)
def test_values(variable: str, given: str, name: str, expected: object) -> None:
    assert getattr(Settings.from_environ({variable: given}), name) == expected


@pytest.mark.parametrize(
    ("variable", "given", "allowed"),
    [
        ("WORKER_COUNT", "0", "from 1 to 1024"),
        ("WORKER_COUNT", "two", "from 1 to 1024"),
        ("SCORING_TIMEOUT_MS", "-1", "from 1 to"),
        ("SCORING_PORT", "70000", "from 1 to 65535"),
        ("WORKER_PRELOAD", "maybe", "true and false"),
        ("SCORING_DRAIN", "nan", "seconds"),
        ("SCORING_READ_TIMEOUT", "0", "seconds, more than 0"),
        ("SCORING_READ_TIMEOUT", "-1", "seconds, more than 0"),
        ("SCORING_READ_TIMEOUT", "soon", "seconds, more than 0"),
        ("SERVICE_NAME", "Gr\udcf6\udcdfe", "UTF-8"),
        ("SERVICE_PATH_PREFIX", "/a/<b>", "the path of a URL"),
        ("AML_CORS_ORIGINS", r"https://.*\.a\.example", "patterns are not"),
        ("AML_CORS_ORIGINS", "https://a.example/page", "origins such as https://a.example"),
        ("AML_CORS_ORIGINS", "[1]", "with commas between"),
        ("SCORING_FORWARDED_ALLOW_IPS", "gateway", "addresses and networks such as 10.0.0.5"),
        ("SCORING_FORWARDED_ALLOW_IPS", "10.0.0.1, 10.0.0.1/8", "or *: 10.0.0.1/8 has host bits set"),
        ("SCORING_FORWARDED_ALLOW_IPS", "*.example", "or *"),
        ("SEPERATE_HEALTH_ENDPOINT", "maybe", "true and false"),
        ("AZUREML_LOG_LEVEL", "LOUD", "DEBUG, INFO"),
        ("SCORING_LOG_FORMAT", "xml", "text and json"),
        ("SCORING_REQUEST_LOG_RATE", "1.5", "from 0 to 1"),
        ("SCORING_REQUEST_LOG_RATE", "nan", "from 0 to 1"),
        ("SCORING_REQUEST_LOG_RECORD_BYTES", "100", "from 8192"),
    ],
)
def test_errors_name_the_variable_the_value_and_what_is_allowed(variable: str, given: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({variable: given})
    assert variable in str(caught.value)
    assert repr(given) in str(caught.value)
    assert allowed in str(caught.value)


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_config_file_comes_after_the_environment(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"SERVICE_NAME": "file", "SCORING_TIMEOUT_MS": 5000, "SERVICE_VERSION": "2"})
    settings = Settings.from_environ({"AML_APP_ROOT": str(tmp_path), "SERVICE_NAME": "environment"})
    assert settings.service_name == "environment"
    assert settings.scoring_timeout_ms == 5000
    assert settings.service_version == "2"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    """As compose has it, where a variable is passed on that is not there."""
    write(tmp_path / "config.json", {"SERVICE_NAME": "file", "WORKER_COUNT": 2, "AML_CORS_ORIGINS": ["http://a"]})
    empty = {"AML_APP_ROOT": str(tmp_path), "SERVICE_NAME": "", "WORKER_COUNT": "", "AML_CORS_ORIGINS": ""}
    settings = Settings.from_environ(empty)
    assert (settings.service_name, settings.worker_count, settings.cors_origins) == ("file", 2, ("http://a",))


def test_unknown_variables_are_kept_for_a_warning() -> None:
    environ = {"SCORING_KEY_FILE": "keys", "SCORING_KEYS_FILE": "keys", "OTHER": ""}
    assert Settings.from_environ(environ).unknown_variables == ("SCORING_KEY_FILE",)


@pytest.mark.parametrize(
    ("body", "buffered", "expected"),
    [("", "", (100, 512)), ("1024", "", (1024, 1024)), ("", "50", (50, 50)), ("10", "20", (10, 20))],
)
def test_there_is_room_for_the_largest_body(body: str, buffered: str, expected: tuple[int, int]) -> None:
    def size(mebibytes: str) -> str:
        return str(int(mebibytes) << 20) if mebibytes else ""

    environ = {"SCORING_MAX_BODY_BYTES": size(body), "SCORING_MAX_BUFFERED_BYTES": size(buffered)}
    settings = Settings.from_environ(environ)
    assert (settings.max_body_bytes >> 20, settings.max_buffered_bytes >> 20) == expected


@pytest.mark.parametrize(
    ("memory", "body", "expected"),
    [
        (None, "", (100, 512)),
        (8192, "", (100, 512)),
        (1024, "", (100, 480)),
        (512, "", (100, 224)),
        (102, "", (19, 19)),
        (32, "", (4, 4)),
        (102, "50", (50, 50)),
    ],
)
def test_room_follows_the_memory(memory: int | None, body: str, expected: tuple[int, int]) -> None:
    environ = {"SCORING_MAX_BODY_BYTES": str(int(body) << 20)} if body else {}
    settings = Settings.from_environ(environ, memory << 20 if memory else None)
    assert (settings.max_body_bytes >> 20, settings.max_buffered_bytes >> 20) == expected


def test_room_for_less_than_the_largest_body_is_an_error() -> None:
    environ = {"SCORING_MAX_BODY_BYTES": "20", "SCORING_MAX_BUFFERED_BYTES": "10"}
    with pytest.raises(SettingsError, match="must be at least SCORING_MAX_BODY_BYTES, which is 20"):
        Settings.from_environ(environ)


def test_a_config_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path / "config.json", "\ufeff" + json.dumps({"SERVICE_NAME": "file"}))
    assert Settings.from_environ({"AML_APP_ROOT": str(tmp_path)}).service_name == "file"


def test_a_health_port_by_the_config_file(tmp_path: Path) -> None:
    root = {"AML_APP_ROOT": str(tmp_path)}
    write(tmp_path / "config.json", {"SEPERATE_HEALTH_ENDPOINT": True})
    settings = Settings.from_environ(root)
    assert (settings.health_port, settings.unknown_keys) == (5000, ())
    assert Settings.from_environ({**root, "SCORING_HEALTH_PORT": "6001"}).health_port == 6001
    assert Settings.from_environ({**root, "SEPERATE_HEALTH_ENDPOINT": "false"}).health_port == 0


def test_places_of_the_config_file(tmp_path: Path) -> None:
    root = {"AML_APP_ROOT": str(tmp_path), "AZUREML_ENTRY_SCRIPT": "sub/score.py"}
    write(tmp_path / "sub" / "config.json", {"SERVICE_NAME": "beside the script"})
    assert Settings.from_environ(root).service_name == "beside the script"
    write(tmp_path / "config.json", {"SERVICE_NAME": "app root"})
    assert Settings.from_environ(root).service_name == "app root"
    write(tmp_path / "named.json", {"SERVICE_NAME": "named"})
    assert Settings.from_environ({**root, "AZUREML_CONFIG_FILE": str(tmp_path / "named.json")}).service_name == "named"


def test_a_named_config_file_must_be_right(tmp_path: Path) -> None:
    for content in ("[1]", "{", ""):
        write(tmp_path / "named.json", content)
        with pytest.raises(SettingsError, match="JSON object"):
            Settings.from_environ({"AZUREML_CONFIG_FILE": str(tmp_path / "named.json")})


def test_unknown_keys_are_kept_for_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"hidden_size": 3, "WORKSPACE_NAME": "w"})
    assert Settings.from_environ({"AML_APP_ROOT": str(tmp_path)}).unknown_keys == ("hidden_size",)


def test_the_limit_is_the_smaller_of_both() -> None:
    assert Settings(scoring_timeout_ms=5000).limit_ms == 5000
    assert Settings(scoring_timeout_ms=5000, worker_timeout_s=2).limit_ms == 2000


def test_every_variable_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "server-settings.md").read_text()
    assert [variable for variable in VARIABLES if f"`{variable}`" not in text] == []


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [("port", "abc", "1 to 65535"), ("health_port", "0", "1 to 65535"), ("worker_count", "x", "1 and more")],
)
def test_a_wrong_flag_says_what_is_allowed(
    flag: str, value: str, allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--{flag}", value])
    told = capsys.readouterr().err
    assert f"argument --{flag}: {value!r} is no" in told
    assert allowed in told


def test_flags_win(tmp_path: Path) -> None:
    flags = (
        "--entry_script score.py --port 6000 --worker_count 2 --model_dir m --access_control_allow_origins * "
        "--health_port 6001 --appinsights_instrumentation_key k"
    )
    arguments = parser().parse_args(flags.split())
    environ = environment(arguments, {"WORKER_COUNT": "5", "SCORING_PORT": "1"}, str(tmp_path))
    settings = Settings.from_environ(environ)
    assert (settings.port, settings.health_port, settings.worker_count) == (6000, 6001, 2)
    assert settings.cors_origins == ("*",)
    assert settings.app_root == str(tmp_path)
    assert settings.script_path == str(tmp_path / "score.py")
    assert settings.model_dir == "m"
    assert "k" not in environ.values()
