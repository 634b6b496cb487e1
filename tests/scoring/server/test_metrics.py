"""``/metrics``, read by Prometheus' own parser."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from scoring_server.exposition import counter, histogram
from scoring_server.frames import Flag, Kind, Reply
from scoring_server.metrics import FAILURES, Failure, Histogram, reply_failure, status_failure

from .process import Server, app_root, launch, running


class Page:
    """The samples of a page by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return float(self.samples.get((name, frozenset(labels.items())), 0))


def read(server: Server, target: str = "/metrics", headers: dict[str, str] | None = None) -> Page:
    answer = server.request("GET", target, None, headers)
    assert answer.status == 200, answer.body
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    return Page(answer.body.decode())


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = app_root(tmp_path_factory.mktemp("counted"), "plain.py", "sibling.py")
    (root / "azureml-models" / 'odd "name"' / "1\\2").mkdir(parents=True)
    environ = {
        "SCORING_MODEL_DIGESTS": json.dumps({"digits/3": "ab" * 32}),
        "SCORING_VERIFY_MODELS": "false",
        "SERVICE_NAME": "digits-service",
        "SCORING_TIMEOUT_MS": "1000",
        "SCORING_MAX_QUEUE": "2",
        "SCORING_MAX_BODY_BYTES": "1000",
    }
    with running(root, "plain.py", environ) as server:
        yield server


def test_requests_are_counted_by_method_route_and_code(counted: Server) -> None:
    before = read(counted)
    for value in range(3):
        assert counted.score(value).status == 200
    assert counted.request("GET", "/score?a=1").status == 200
    assert counted.request("GET", "/%73wagger.json?version=3").status == 200
    assert counted.request("GET", "/nope/1").status == 404
    assert counted.request("GET", "/nope/2").status == 404
    after = read(counted)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("scoring_requests_total", method="POST", route="/score", code="200") == 3
    assert grown("scoring_requests_total", method="GET", route="/score", code="200") == 1
    assert grown("scoring_requests_total", method="GET", route="/swagger.json", code="200") == 1
    assert grown("scoring_requests_total", method="GET", route="other", code="404") == 2
    assert grown("scoring_requests_total", method="GET", route="/metrics", code="200") == 1
    assert grown("scoring_request_duration_seconds_count", route="/score") == 4
    assert grown("scoring_request_duration_seconds_bucket", route="/score", le="+Inf") == 4
    assert grown("scoring_run_duration_seconds_count") == 4
    assert 0 < grown("scoring_run_duration_seconds_sum") < grown("scoring_request_duration_seconds_sum", route="/score")
    assert grown("scoring_failures_total", kind="client_error") == 2


def test_labels_name_the_service_and_its_models(counted: Server) -> None:
    families = read(counted).families
    assert [sample.labels for sample in families["scoring_model_info"].samples] == [
        {"id": "digits:3", "name": "digits", "version": "3", "sha256": "ab" * 32},
        {"id": 'odd "name":1\\2', "name": 'odd "name"', "version": "1\\2", "sha256": ""},
    ]
    assert families["scoring_service_info"].samples[0].labels["service"] == "digits-service"


def test_what_the_processes_use(counted: Server) -> None:
    page = read(counted)
    assert page.value("scoring_workers") == page.value("scoring_workers_up") == 1
    assert page.value("process_resident_memory_bytes") > 5e6
    assert page.value("scoring_workers_resident_memory_bytes") > 5e6
    assert page.value("process_open_fds") > 3
    assert page.value("process_start_time_seconds") > 1.7e9
    assert page.value("process_cpu_seconds_total") > 0
    assert page.value("scoring_connections") >= 1


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (Failure.SCRIPT_ERROR, 500, '{"do": "raise"}'),
        (Failure.SCRIPT_ERROR, 500, '{"do": "value", "expression": "object()"}'),
        (Failure.WORKER_LOST, 500, '{"do": "die"}'),
        (Failure.TIMEOUT, 500, '{"do": "sleep", "seconds": 60}'),
        (Failure.CLIENT_ERROR, 400, "\udcff"),
        (Failure.CLIENT_ERROR, 413, "x" * 1001),
    ],
)
def test_failures_by_kind(counted: Server, kind: str, status: int, body: str) -> None:
    before, ready = read(counted), counted.log.count("ready for serving traffic")
    assert counted.request("POST", "/score", body.encode(errors="surrogateescape")).status == status
    after = read(counted)
    for each in FAILURES:
        grown = after.value("scoring_failures_total", kind=each) - before.value("scoring_failures_total", kind=each)
        assert grown == (each == kind), each
    if kind in (Failure.WORKER_LOST, Failure.TIMEOUT):
        assert counted.log.wait_for("ready for serving traffic", ready + 1)
        restarts = "scoring_worker_restarts_total"
        assert read(counted).value(restarts) == before.value(restarts) + 1


def test_load_is_seen_while_it_lasts(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_MAX_QUEUE": "2"}) as server:
        calls = [threading.Thread(target=server.score, args=({"do": "sleep", "seconds": 3},)) for _ in range(3)]
        for call in calls:
            call.start()
        while (page := read(server)).value("scoring_requests_in_flight") < 3:
            assert any(call.is_alive() for call in calls)
        assert page.value("scoring_queue_length") == 2
        assert server.score(1).status == 503
        for call in calls:
            call.join()
        page = read(server)
        assert page.value("scoring_requests_in_flight") == page.value("scoring_queue_length") == 0
        assert page.value("scoring_failures_total", kind="busy") == 1


def test_batches_and_their_sizes(tmp_path: Path) -> None:
    root = app_root(tmp_path, "batched.py")
    gate = {"do": "gate", "path": str(tmp_path / "gate")}
    with running(root, "batched.py", {"SCORING_BATCH_DELAY_MS": "0", "SCORING_BATCH_SIZE": "4"}) as server:
        assert "scoring_batch_size" not in read(server).families
        calls = [threading.Thread(target=server.score, args=(gate,)) for _ in range(6)]
        for number, call in enumerate(calls, 1):
            call.start()
            while (page := read(server)).value("scoring_requests_in_flight") < number:
                assert call.is_alive()
        assert page.value("scoring_queue_length") == 5
        (tmp_path / "gate").touch()
        for call in calls:
            call.join()
        page = read(server)
        assert (page.value("scoring_batch_size_count"), page.value("scoring_batch_size_sum")) == (3, 6)
        assert [page.value("scoring_batch_size_bucket", le=bound) for bound in ("1", "2", "4")] == [2, 2, 3]
        assert page.value("scoring_run_duration_seconds_count") == 6
        assert page.value("scoring_queue_length") == 0


@pytest.mark.parametrize("open_", [False, True])
def test_keys_and_prefix(tmp_path: Path, open_: bool) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    (root / "keys").write_text("first-key\n")
    environ = {
        "SCORING_KEYS_FILE": str(root / "keys"),
        "SERVICE_PATH_PREFIX": "/a",
        "SCORING_METRICS_OPEN": str(open_),
    }
    with running(root, "plain.py", environ) as server:
        assert server.request("GET", "/a/metrics").status == (200 if open_ else 401)
        page = read(server, "/a/metrics", {"Authorization": "Bearer first-key"})
        key = {"Authorization": "Bearer first-key"}
        assert server.request("GET", "/metrics", None, key).status == 404
        assert server.request("POST", "/a/metrics", "", key).status == 405
        assert server.request("POST", "/a/score", "1").status == 401
        assert page.value("scoring_failures_total", kind="unauthorized") == (0 if open_ else 1)
        # answered scrapes are no access lines, refused ones are
        assert server.log.wait_for("POST /a/score 401")
        assert server.log.count("GET /a/metrics 200") == 0
        assert server.log.count("GET /a/metrics 401") == (0 if open_ else 1)


def test_metrics_can_be_off(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_METRICS": "false"}) as server:
        assert server.request("GET", "/metrics").status == 404


@pytest.mark.parametrize(
    ("flags", "status", "failure"),
    [
        (Flag.TIMED, 200, ""),
        (Flag.TIMED, 404, ""),
        (Flag.TIMED | Flag.RUN_FAILED, 200, Failure.SCRIPT_ERROR),
        (Flag.RUN_FAILED, 500, Failure.SCRIPT_ERROR),
        (0, 415, Failure.CLIENT_ERROR),
        (0, 500, Failure.INTERNAL_ERROR),
        (Flag.SCRIPT, 500, Failure.SCRIPT_ERROR),
    ],
)
def test_failures_of_replies(flags: int, status: int, failure: str) -> None:
    assert reply_failure(Reply(Kind.RESULT, flags, status, 0, b"", b"")) == failure


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, ""),
        (401, Failure.UNAUTHORIZED),
        (408, Failure.CLIENT_ERROR),
        (500, Failure.INTERNAL_ERROR),
        (503, Failure.BUSY),
    ],
)
def test_failures_by_status(status: int, failure: str) -> None:
    assert status_failure(status) == failure


def test_a_histogram_counts_a_bound_among_those_within() -> None:
    sample = Histogram((0.5, 1, 2))
    for value in (0.25, 0.5, 1.5, 99):
        sample.observe(value)
    page = Page("".join(histogram("h", "Help.", [({"a": "b"}, sample)])))
    assert [page.value("h_bucket", a="b", le=bound) for bound in ("0.5", "1", "2", "+Inf")] == [2, 2, 3, 4]
    assert (page.value("h_sum", a="b"), page.value("h_count", a="b")) == (101.25, 4)


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "\\n", 'é"\\\n', "}{,="])
def test_labels_are_escaped(text: str) -> None:
    assert Page("".join(counter("c_total", "Help.", [({"label": text}, 1)]))).value("c_total", label=text) == 1


def test_a_family_without_samples_is_left_out() -> None:
    assert "".join(counter("c_total", "Help.", [])) == ""


def test_the_page_is_there_before_the_script_is(tmp_path: Path) -> None:
    root = app_root(tmp_path)
    (root / "slow.py").write_text(
        "import pathlib, time\n"
        "def init():\n"
        "    while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        "def run(data): return data\n"
    )
    server = launch(root, "slow.py")
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        assert server.log.wait_for("Listening on")
        assert server.request("POST", "/score", "1").status == 503
        page = read(server)
        assert page.value("scoring_workers_up") == 0
        assert page.value("scoring_failures_total", kind="not_ready") == 1
        (root / "go").touch()
        assert server.log.wait_for("ready for serving traffic")
        assert read(server).value("scoring_workers_up") == 1
