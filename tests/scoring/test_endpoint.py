import threading

import pytest

from scoring.endpoint import Endpoint, ServiceError
from tests.ports import free_port
from tests.scoring.conftest import Serve


@pytest.fixture
def closed_port() -> int:
    return free_port()


@pytest.mark.parametrize("data", ['{"data": "é"}', '{"data": "é"}'.encode()])
def test_run_posts_the_data_and_decodes_the_answer(serve: Serve, data: bytes | str) -> None:
    service = serve(lambda *_: (200, '{"result": [1, 2.5, null]}'))
    assert Endpoint("mnist", service.scoring_uri).run(data) == {"result": [1, 2.5, None]}
    assert service.requests == [("POST", "/score", '{"data": "é"}'.encode())]
    assert service.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, '{"message": "An unexpected error occurred in scoring script."}', "An unexpected error occurred in"),
        (400, "no JSON at all", "answered 400: no JSON at all"),
        (502, "", r"answered 502: \(nothing\)"),
        (503, "x" * 600, "x{500} ...$"),
        (404, "[1]", r"answered 404: \[1\]"),
        (302, "moved", "answered 302: moved"),
        (200, "Healthy", "answered 200 with something that is not JSON: Healthy"),
    ],
)
def test_run_tells_status_and_message(serve: Serve, status: int, body: str, message: str) -> None:
    service = serve(lambda *_: (status, body))
    with pytest.raises(ServiceError, match=message) as raised:
        Endpoint("mnist", service.scoring_uri).run("{}")
    assert raised.value.status == status
    assert str(raised.value).startswith(f"mnist: POST {service.scoring_uri} answered {status}")
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("valid", "tried"), [({"one", "two"}, ["one"]), ({"two"}, ["one", "two"]), (set(), ["one", "two"])]
)
def test_a_key_that_is_refused_is_followed_by_the_other_one(serve: Serve, valid: set[str], tried: list[str]) -> None:
    def answer(*_: object) -> tuple[int, str]:
        given = service.headers[-1]["Authorization"].removeprefix("Bearer ")
        return (200, "1") if given in valid else (401, '{"message": "A valid key is required"}')

    service = serve(answer)
    guarded = Endpoint("mnist", service.scoring_uri, keys=("one", "two"))
    if valid:
        assert guarded.run("{}") == 1
    else:
        with pytest.raises(ServiceError, match="answered 401: A valid key is required"):
            guarded.run("{}")
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {key}" for key in tried]
    assert "one" not in repr(guarded)


def test_run_gives_up_after_its_timeout(serve: Serve) -> None:
    over = threading.Event()

    def answer(*_: object) -> tuple[int, str]:
        over.wait()
        return 200, "[]"

    service = serve(answer)
    try:
        with pytest.raises(ServiceError, match=r"had no answer within 0\.1 s$") as raised:
            Endpoint("mnist", service.scoring_uri, timeout=0.1).run("{}")
    finally:
        over.set()
    assert raised.value.status is None


def test_run_names_the_cause_and_the_fix_when_nothing_listens(closed_port: int) -> None:
    with pytest.raises(ServiceError, match=r"could not be reached: .*refused; run `make up`") as raised:
        Endpoint("mnist", f"http://127.0.0.1:{closed_port}/score").run("{}")
    assert raised.value.status is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_not_reached_through_a_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, closed_port: int, host: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    service = serve(lambda *_: (200, "1"))
    assert Endpoint("mnist", f"http://{host}:{service.port}/score").run("{}") == 1


def test_other_hosts_are_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    proxy = serve(lambda *_: (200, "1"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Endpoint("mnist", "http://mnist.invalid/score").run("{}") == 1
    assert proxy.requests == [("POST", "http://mnist.invalid/score", b"{}")]


@pytest.mark.parametrize(("status", "state"), [(200, "Healthy"), (503, "Unhealthy"), (404, "Unhealthy")])
def test_state_asks_the_root(serve: Serve, status: int, state: str) -> None:
    service = serve(lambda *_: (status, "whatever"))
    assert Endpoint("mnist", service.scoring_uri.replace("/score", "/v1/score")).state() == state
    assert service.requests == [("GET", "/v1/", b"")]


def test_state_without_a_listener_is_unhealthy(closed_port: int) -> None:
    assert Endpoint("mnist", f"http://127.0.0.1:{closed_port}/score").state() == "Unhealthy"


@pytest.mark.parametrize(
    ("scoring_uri", "swagger_uri"),
    [
        ("http://127.0.0.1:5001/score", "http://127.0.0.1:5001/swagger.json"),
        ("https://host/score/score", "https://host/score/swagger.json"),
        ("http://[::1]:5001/a/b/score", "http://[::1]:5001/a/b/swagger.json"),
    ],
)
def test_swagger_is_beside_score(scoring_uri: str, swagger_uri: str) -> None:
    assert Endpoint("mnist", scoring_uri).swagger_uri == swagger_uri


@pytest.mark.parametrize("uri", ["", "127.0.0.1:5001/score", "http:///score", "http://host/", "ftp://host/score"])
def test_other_scoring_uris_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="must be http"):
        Endpoint("mnist", uri)
