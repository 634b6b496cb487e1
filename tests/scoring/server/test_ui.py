"""The test page's routes: when they are there, what they send, and the sample input in the service's description."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator

import pytest
from scoring_server.settings import Settings
from scoring_server.ui import Ui

from scoring.endpoint import Endpoint

from .process import SERVER, Server, app_root, running

FILES = SERVER / "scoring_server" / "ui_files"
SAMPLE = {"data": [[1, 2]]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service below a prefix, with keys, a name that HTML has to escape, and the page asked for."""
    root = app_root(tmp_path_factory.mktemp("ui"), "plain.py", "sibling.py")
    (root / "keys").write_text("a-key\n")
    (root / "sample_input.json").write_text(json.dumps(SAMPLE))
    environ = {
        "SCORING_KEYS_FILE": str(root / "keys"),
        "SCORING_UI": "on",
        "SERVICE_NAME": "<a> & b",
        "SERVICE_PATH_PREFIX": "/x/y",
    }
    with running(root, "plain.py", environ) as server:
        yield server


@pytest.mark.parametrize(
    ("setting", "keys", "there"),
    [
        ("", False, True),
        ("", True, False),
        ("auto", True, False),
        ("on", True, True),
        ("on", False, True),
        ("off", False, False),
        ("false", False, False),
    ],
)
def test_the_page_is_there_unless_keys_are_set_or_it_is_turned_off(setting: str, keys: bool, there: bool) -> None:
    ui = Ui(Settings.from_environ({"SCORING_UI": setting}), keys_required=keys)
    assert ("/ui" in ui.routes) is there


def test_the_page_needs_no_key_and_tells_of_none(server: Server) -> None:
    answer = server.request("GET", "/x/y/ui?a=1")
    page = answer.body.decode()
    assert answer.status == 200
    assert "<h1>&lt;a&gt; &amp; b <small>version 1.0" in page
    assert 'data-keys="required"' in page
    assert not re.search(r"{\w+}", page), "a word was not put in"
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("x-request-id")
    assert answer.header("x-ms-run-function-failed") is None


@pytest.mark.parametrize("name", [*sorted(path.name for path in FILES.iterdir()), "swagger-ui.css"])
def test_each_file_is_sent_packed_or_not_and_once(server: Server, name: str) -> None:
    path = "/x/y/ui" if name == "index.html" else f"/x/y/ui/{name}"
    plain = server.request("GET", path)
    packed = server.request("GET", path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert plain.status == packed.status == 200
    assert packed.header("content-encoding") == "gzip"
    assert plain.header("content-encoding") is None
    assert gzip.decompress(packed.body) == plain.body
    assert plain.header("vary") == "Accept-Encoding"
    assert plain.header("x-content-type-options") == "nosniff"
    tag = plain.header("etag") or ""
    again = server.request("GET", path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    head = server.request("HEAD", path)
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(plain.body)))


def test_gzip_may_be_refused(server: Server) -> None:
    assert server.request("GET", "/x/y/ui", headers={"Accept-Encoding": "gzip;q=0"}).header("content-encoding") is None


def test_a_browser_may_load_nothing_from_elsewhere(server: Server) -> None:
    policy = server.request("GET", "/x/y/ui").header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|\*|https?:", policy)
    for path in FILES.iterdir():
        assert not re.search(r"(src|href)=\"(https?:)?//|<script>|<style|style=\"|onclick", path.read_text()), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/x/y/ui", 405),
        ("DELETE", "/x/y/ui/page.js", 405),
        ("OPTIONS", "/x/y/ui", 200),
        ("GET", "/x/y/ui/", 308),
        ("GET", "/x/y/ui/nope.js", 404),
        ("GET", "/x/y/ui/../ui.py", 404),
        ("GET", "/ui", 404),
    ],
)
def test_other_requests_are_answered_as_on_other_routes(server: Server, method: str, path: str, status: int) -> None:
    answer = server.request(method, path, headers={"Authorization": "Bearer a-key"})
    assert answer.status == status
    if status == 405:
        assert answer.header("allow") == "GET, HEAD, OPTIONS"
        assert answer.message == "The method is not allowed for the requested URL."
    if status == 308:
        assert answer.header("location") == "../ui"


def test_the_client_finds_the_page_where_there_is_one(server: Server, plain: Server) -> None:
    for uri in (f"http://127.0.0.1:{server.port}/x/y/", f"http://127.0.0.1:{plain.port}/"):
        assert Endpoint("a", f"{uri}score").test_page() == f"{uri}ui"
    assert Endpoint("a", f"http://127.0.0.1:{plain.port}/x/y/score").test_page() == ""


def test_metrics_tell_the_page_from_scoring(server: Server) -> None:
    server.request("GET", "/x/y/ui/page.js?1")
    metrics = server.request("GET", "/x/y/metrics", headers={"Authorization": "Bearer a-key"}).body.decode()
    assert 'route="/ui"' in metrics
    assert "page.js" not in metrics
    assert 'route="/score"' not in metrics


@pytest.mark.parametrize("path", ["/x/y/score", "/x/y/swagger.json", "/x/y/ui/nope.js", "/ui"])
def test_the_rest_stays_closed_without_a_key(server: Server, path: str) -> None:
    assert server.request("GET", path).status == 401


def test_the_sample_is_the_example_of_the_description(server: Server) -> None:
    headers = {"Authorization": "Bearer a-key"}
    for version, part in (("2", "definitions"), ("3", "components/schemas"), ("3.1", "components/schemas")):
        document = server.request("GET", f"/x/y/swagger.json?version={version}", headers=headers).json()
        for name in part.split("/"):
            document = document[name]
        assert document["ServiceInput"] == {"type": "object", "example": SAMPLE}
        assert document["ServiceOutput"] == {"type": "object", "example": {}}
