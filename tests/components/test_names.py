"""Names of services, images and models: what is allowed, what is said, and what one becomes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import names
from components.problems import Problem


@pytest.mark.parametrize("name", ["aci", "aci-mnist-1", "a" * 32, "a--", "a1b", "abc-"])
def test_a_service_name_of_azures_alphabet_is_taken(name: str) -> None:
    assert names.check_service_name(name) == name


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("", ""),
        ("ab", ""),
        ("a" * 33, "a" * 32),
        ("Aci-Mnist", "aci-mnist"),
        ("aci_mnist", "aci-mnist"),
        ("aci mnist 1", "aci-mnist-1"),
        ("1-aci-mnist", "aci-mnist"),
        ("-aci", "aci"),
        ("aci.mnist", "aci-mnist"),
        ("äöü", ""),
        ("aci\n", "aci"),
        ("٣aci", "aci"),
        ("1", ""),
    ],
)
def test_another_service_name_is_refused_with_one_that_would_do(name: str, suggestion: str) -> None:
    with pytest.raises(Problem, match=r"3 to 32 characters, lower-case letters, digits and dashes") as error:
        names.check_service_name(name)
    assert repr(name) in str(error.value)
    assert ("for instance" in str(error.value)) == bool(suggestion)
    if suggestion:
        assert f"for instance {suggestion!r}" in str(error.value)


@given(st.text(max_size=50))
def test_a_suggested_service_name_is_an_allowed_one(name: str) -> None:
    try:
        names.check_service_name(name)
    except Problem as problem:
        for suggestion in re.findall(r"for instance '(.*)'", str(problem)):
            assert names.check_service_name(suggestion) == suggestion


@pytest.mark.parametrize(
    "name",
    [
        "myimage1",
        "team/myimage",
        "host:5000/team/myimage",
        "Host.Example/my.image",
        "a__b",
        "a-b",
        "a--b",
        "localhost/x",
    ],
)
def test_an_image_name_of_dockers_grammar_is_taken(name: str) -> None:
    assert names.check_image_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MyImage", r"'MyImage' must be lower-case"),
        ("my image", r"'my image' must be lower-case"),
        ("", r"'' must be lower-case"),
        ("team/My", r"'My' must be lower-case"),
        ("host/Team/my", r"'Team' must be lower-case"),
        ("a..b", r"single dots"),
        ("a___b", r"one or two underscores"),
        ("-a", r"'-a' must be"),
        ("a/", r"'' must be"),
        ("myimage:1", r"carries a tag or digest.*Give 'myimage'\."),
        ("team/myimage@sha256:00", r"carries a tag or digest.*Give 'team/myimage'\."),
        ("host:5000/team/myimage:1", r"carries a tag or digest.*Give 'host:5000/team/myimage'\."),
    ],
)
def test_another_image_name_is_refused(name: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        names.check_image_name(name)


@pytest.mark.parametrize("name", ["sklearn_mnist_model.pkl", "My Model", "a", "A" * 255, "größe", "v1.2-b"])
def test_a_model_name_may_be_any_folders_name(name: str) -> None:
    assert names.check_model_name(name) == name


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "a\nb", "a" * 256, "\0a"])
def test_a_model_name_that_is_no_folders_name_is_refused(name: str) -> None:
    with pytest.raises(Problem, match=r"1 to 255 printable characters without a slash") as error:
        names.check_model_name(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["___", "ß", "--", "模型"])
def test_a_model_name_without_anything_that_docker_takes_is_refused(name: str) -> None:
    with pytest.raises(Problem, match=r"no letter a-z and no digit"):
        names.check_model_name(name)


@pytest.mark.parametrize("version", ["1", "v1.2-rc_3", "_x", "0" * 128, "A"])
def test_a_model_version_is_a_tag(version: str) -> None:
    assert names.check_model_version(version) == version


@pytest.mark.parametrize("version", ["", ".1", "-1", "1 2", "1/2", "1:2", "0" * 129, "1\n", "größe"])
def test_another_model_version_is_refused(version: str) -> None:
    with pytest.raises(Problem, match=r"1 to 128 letters, digits.*made from the content") as error:
        names.check_model_version(version)
    assert repr(version) in str(error.value)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("sklearn_mnist", "models/sklearn_mnist"),
        ("sklearn_mnist_model.pkl", "models/sklearn_mnist_model.pkl"),
        ("My Model", "models/my-model"),
        ("a__b", "models/a__b"),
        ("a___b", "models/a_b"),
        ("a..b", "models/a.b"),
        ("a.-b", "models/a.b"),
        ("_a_", "models/a"),
        ("größe 2", "models/gr-e-2"),
    ],
)
def test_the_repository_of_a_model_is_its_name_in_dockers_alphabet(name: str, repository: str) -> None:
    assert names.repository_of_model(name) == repository


@given(st.text(max_size=60))
def test_the_repository_of_any_model_is_one_that_docker_takes(name: str) -> None:
    try:
        repository = names.repository_of_model(name)
    except Problem:
        assert not re.search(r"[a-z0-9]", name.lower())
        return
    assert names.check_image_name(repository) == repository
    assert names.repository_of_model(repository.removeprefix("models/")) == repository


@pytest.mark.parametrize(
    ("text", "repository", "version"),
    [
        ("mnist", "models/mnist", ""),
        ("mnist:3", "models/mnist", "3"),
        (" mnist:3 ", "models/mnist", "3"),
        ("My Model:1", "models/my-model", "1"),
        ("models/mnist", "models/mnist", ""),
        ("models/mnist:3", "models/mnist", "3"),
        ("host:5000/models/mnist:3", "host:5000/models/mnist", "3"),
        ("host:5000/models/mnist", "host:5000/models/mnist", ""),
    ],
)
def test_a_model_reference_names_a_repository_and_perhaps_a_version(text: str, repository: str, version: str) -> None:
    reference = names.parse_model_reference(text)
    assert reference == names.ModelReference(repository, version)
    assert str(reference) == (f"{repository}:{version}" if version else repository)


@pytest.mark.parametrize("text", ["", " ", ":1", "mnist:", "mnist:a b", "mnist@sha256:00", "models/", "models/:1"])
def test_another_text_is_no_model_reference(text: str) -> None:
    with pytest.raises(Problem, match=r"not a model reference: give 'name', 'name:version'") as error:
        names.parse_model_reference(text)
    assert repr(text) in str(error.value)


def test_tags_alone_name_any_model_that_has_them() -> None:
    assert names.parse_model_reference("?stage=prod&a") == names.ModelReference("", tags={"stage": "prod", "a": ""})
    for text in ("?", ":1?stage=prod"):
        with pytest.raises(Problem, match=r"'\?tag=value'"):
            names.parse_model_reference(text)


def test_a_reference_with_an_impossible_repository_is_refused() -> None:
    with pytest.raises(Problem, match=r"'Mnist' must be lower-case"):
        names.parse_model_reference("models/Mnist:1")


@pytest.mark.parametrize(
    ("name", "camel"), [("image", "image"), ("model_paths", "modelPaths"), ("stop_grace_seconds", "stopGraceSeconds")]
)
def test_names_are_said_as_pulumis_languages_write_them(name: str, camel: str) -> None:
    assert names.camel(name) == camel


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("python:3.11-slim", ("python", "3.11-slim")),
        ("me/base", ("me/base", "latest")),
        ("localhost:5000/base", ("localhost:5000/base", "latest")),
        ("localhost:5000/me/base:1", ("localhost:5000/me/base", "1")),
        ("r.example/base@sha256:00", ("r.example/base", "sha256:00")),
        ("r.example/base:1@sha256:00", ("r.example/base", "sha256:00")),
    ],
)
def test_an_images_name_has_a_repository_and_a_tag_or_digest(reference: str, parts: tuple[str, str]) -> None:
    assert names.repository_and_tag(reference) == parts


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("python", "docker.io"),
        ("me/base:1", "docker.io"),
        ("docker.io/me/base:1", "docker.io"),
        ("index.docker.io/me/base:1", "docker.io"),
        ("r.example/base:1", "r.example"),
        ("localhost/base", "localhost"),
    ],
)
def test_an_image_is_pulled_from_the_registry_that_its_name_says(name: str, home: str) -> None:
    assert names.home_of(name) == home
