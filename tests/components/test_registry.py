"""A registry asked over HTTP: a real one, in plain HTTP and in TLS."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from components import models
from components.problems import Problem
from components.registry import Registry
from components.registry_login import Login
from tests.registries import PASSWORD, USER, RunningRegistry, put_image, registry

LOGIN = Login(USER, PASSWORD)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRegistry]:
    """A registry with three models and something else."""
    with registry() as made:
        for version, day in (("1", "03"), ("2", "01"), ("3", "02")):
            labels = {models.NAME: "mnist", models.VERSION: version, models.SHA256: version * 64}
            put_image(made.address, f"{made.address}/team/models/mnist:{version}", labels, f"2026-01-{day}T00:00:00Z")
        put_image(made.address, f"{made.address}/other/thing:1", {}, "2026-01-01T00:00:00Z")
        yield made


@pytest.fixture
def asked(running: RunningRegistry) -> Iterator[Registry]:
    with closing(Registry(f"{running.address}/team", LOGIN)) as made:
        yield made


def test_labels_and_tags_the_newest_first(asked: Registry) -> None:
    repository = asked.repository_of("models/mnist")
    assert asked.tags_of(repository) == [f"{repository}:{version}" for version in "132"]
    assert asked.image_labels(f"{repository}:2")[models.VERSION] == "2"
    assert asked.image_labels(f"{repository}:9") == {}
    assert asked.tags_of(asked.repository_of("models/none")) == []


def test_a_model_is_found_by_its_name_and_version(asked: Registry) -> None:
    assert models.find("mnist", asked).reference == f"{asked.address}/models/mnist:1"
    assert models.find("mnist:2", asked).sha256 == "2" * 64
    assert models.find(f"{asked.address}/models/mnist:3", asked).version == "3"
    with pytest.raises(Problem, match=r"no model 'mnist:9' is registered in the registry 127.0.0.1:\d+\. Registered: "):
        models.find("mnist:9", asked)


def test_all_models_below_an_address_the_newest_first(asked: Registry) -> None:
    assert asked.labelled(models.NAME) == asked.tags_of(asked.repository_of("models/mnist"))
    assert asked.labelled("no.such.label") == []


def test_the_catalogue_below_an_address(asked: Registry) -> None:
    assert asked.repositories(f"{asked.address}/models/") == [f"{asked.address}/models/mnist"]


def test_other_labels_keep_the_rest_and_a_deleted_image_is_gone(asked: Registry, running: RunningRegistry) -> None:
    reference = f"{asked.address}/models/changing:1"
    put_image(running.address, reference, {"a": "1"}, "2026-01-01T00:00:00Z")
    before = asked.image(reference)
    assert before is not None
    asked.relabel(before, {"b": "2"})
    after = asked.image(reference)
    assert after is not None
    assert (after.labels, after.created) == ({"b": "2"}, before.created)
    assert after.manifest["layers"] == before.manifest["layers"]
    asked.delete(after)
    assert asked.image(reference) is None


def test_a_registry_that_does_not_delete_says_how_it_can() -> None:
    with registry(deletes=False) as made, closing(Registry(made.address, LOGIN)) as asked:
        put_image(made.address, f"{made.address}/x:1", {}, "2026-01-01T00:00:00Z")
        image = asked.image(f"{made.address}/x:1")
        assert image is not None
        with pytest.raises(Problem, match=r"does not allow deleting: .*REGISTRY_STORAGE_DELETE_ENABLED=true"):
            asked.delete(image)


@pytest.mark.parametrize(
    ("login", "who"), [(Login(USER, "wrong"), "the user 'team'"), (Login(), "a caller without a login")]
)
def test_a_refused_login(
    running: RunningRegistry, login: Login, who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with (
        closing(Registry(running.address, login)) as asked,
        pytest.raises(
            Problem, match=rf"refuses {who}: give registryUsername and registryPassword, or run 'docker login"
        ),
    ):
        asked.image(f"{running.address}/x:1")


def test_the_login_that_docker_stored_is_used(
    running: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64
    import json

    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {running.address: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with closing(Registry(running.address)) as asked:
        assert asked.image(f"{running.address}/other/thing:1") is not None


def test_a_registry_that_is_not_there() -> None:
    with (
        closing(Registry("127.0.0.1:1", LOGIN)) as asked,
        pytest.raises(Problem, match=r"cannot be reached: .*refused"),
    ):
        asked.image("127.0.0.1:1/x:1")


def test_tls_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    with registry(tls=True) as made:
        with (
            closing(Registry(made.address, LOGIN, tmp_path)) as asked,
            pytest.raises(Problem, match=r"is not trusted: .*/127.0.0.1:\d+/ca.crt, where Docker looks"),
        ):
            asked.image(f"{made.address}/x:1")
        assert made.authority
        (tmp_path / made.address).mkdir()
        (tmp_path / made.address / "ca.crt").write_bytes(made.authority.read_bytes())
        with closing(Registry(made.address, LOGIN, tmp_path)) as asked:
            assert asked.image(f"{made.address}/x:1") is None


def test_docker_hub_answers_at_another_host() -> None:
    with closing(Registry("docker.io", LOGIN)) as asked:
        assert asked.base() == "https://registry-1.docker.io/v2/"


class Answer:
    """What a registry answers, as far as a challenge is read."""

    def __init__(self, status: int, *, challenge: str = "", content: object = None) -> None:
        self.status_code, self.headers, self.content = status, {"WWW-Authenticate": challenge}, content

    def json(self) -> object:
        return self.content


def test_a_registry_that_gives_tokens_gets_the_login_at_its_realm_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    scope = 'Bearer realm="https://auth.example/token",service="r.example",scope="repository:team/x:pull"'

    def send(self: Registry, method: str, url: str, **options: Any) -> Answer:
        authorization = options["headers"].get("Authorization", "")
        sent.append((url, authorization.partition(" ")[0]))
        if url.startswith("https://auth.example"):
            assert options["params"] == {"service": "r.example", "scope": "repository:team/x:pull"}
            return Answer(200, content={"token": "t"})
        return Answer(200, content={"tags": []}) if authorization == "Bearer t" else Answer(401, challenge=scope)

    monkeypatch.setattr(Registry, "_send", send)
    with closing(Registry("r.example", LOGIN)) as asked:
        assert asked.tags_of("r.example/team/x") == []
        assert asked.tags_of("r.example/team/x") == []
    tags = "https://r.example/v2/team/x/tags/list"
    assert sent == [(tags, ""), ("https://auth.example/token", "Basic"), (tags, "Bearer"), (tags, "Bearer")]
