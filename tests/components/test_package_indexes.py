from __future__ import annotations

from collections.abc import Mapping

import pytest

from components.package_indexes import PackageIndexes, redact, uv_environment
from components.problems import Problem

INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "SSL_CERT_FILE",
)


@pytest.mark.parametrize(
    ("indexes", "environ", "expected"),
    [
        (PackageIndexes(), {}, {}),
        (PackageIndexes(), {"PIP_INDEX_URL": "https://p"}, {"UV_DEFAULT_INDEX": "https://p"}),
        (PackageIndexes(), {"PIP_INDEX_URL": "https://p", "UV_INDEX_URL": "https://u"}, {"UV_INDEX_URL": "https://u"}),
        (PackageIndexes(), {"PIP_EXTRA_INDEX_URL": "https://a https://b"}, {"UV_INDEX": "https://a https://b"}),
        (PackageIndexes(), {"PIP_FIND_LINKS": "/a /b"}, {"UV_FIND_LINKS": "/a,/b"}),
        (PackageIndexes(), {"PIP_FIND_LINKS": "/a", "UV_FIND_LINKS": "/b"}, {"UV_FIND_LINKS": "/b"}),
        (PackageIndexes(), {"PIP_CERT": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        (PackageIndexes("https://f"), {"UV_INDEX_URL": "https://u"}, {"UV_DEFAULT_INDEX": "https://f"}),
        (
            PackageIndexes(extra=("https://${USER_1}:${TOKEN}@f", "https://g")),
            {"UV_INDEX": "https://u", "USER_1": "me", "TOKEN": "secret"},
            {"UV_INDEX": "https://me:secret@f https://g https://u"},
        ),
        (PackageIndexes(links=("/w",)), {"PIP_FIND_LINKS": "/a"}, {"UV_FIND_LINKS": "/w,/a"}),
    ],
)
def test_what_uv_is_told(indexes: PackageIndexes, environ: Mapping[str, str], expected: Mapping[str, str]) -> None:
    told = uv_environment(indexes, environ)
    assert {name: told[name] for name in INDEX_VARIABLES if name in told} == expected


@pytest.mark.parametrize(
    ("indexes", "environ", "strategy"),
    [
        (PackageIndexes(), {"PIP_EXTRA_INDEX_URL": "https://a"}, None),
        (PackageIndexes(extra=("https://a",)), {}, "unsafe-best-match"),
        (PackageIndexes(extra=("https://a",)), {"UV_INDEX_STRATEGY": "first-index"}, "first-index"),
    ],
)
def test_several_indexes_count_as_pip_has_them(
    indexes: PackageIndexes, environ: Mapping[str, str], strategy: str | None
) -> None:
    assert uv_environment(indexes, environ).get("UV_INDEX_STRATEGY") == strategy


def test_this_pythons_settings_are_kept_from_uv() -> None:
    environ = {"PYTHONPATH": "/x", "VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c", "HTTPS_PROXY": "http://proxy"}
    told = uv_environment(PackageIndexes(), environ)
    assert told["HTTPS_PROXY"] == "http://proxy"
    assert told["UV_PYTHON_DOWNLOADS"] == "never"
    assert set(told).isdisjoint({"PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX"})


def test_a_variable_that_is_not_set() -> None:
    with pytest.raises(Problem, match=r"https://host/simple names the environment variable TOKEN, which is not set"):
        uv_environment(PackageIndexes("https://me:${TOKEN}@host/simple"), {})


def test_identity_is_the_same_for_every_login_and_folder() -> None:
    one = PackageIndexes("https://a:b@h/s", ("https://${T}@g/s",), ("/home/one/wheels",))
    other = PackageIndexes("https://c:d@h/s", ("https://e@g/s",), ("/home/other/wheels",))
    assert one.identity() == other.identity()
    assert one.identity() != PackageIndexes("https://h/other").identity()


def test_redact() -> None:
    assert redact("at https://me:secret@h/x and http://t@g") == "at https://h/x and http://g"
    assert redact("mail me@h or see https://h/a@b") == "mail me@h or see https://h/a@b"
