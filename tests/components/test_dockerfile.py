"""The text of Dockerfiles, literally."""

import pytest

from components import dockerfile


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", '""'),
        ("plain", '"plain"'),
        ("two words", '"two words"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("$HOME ${HOME}", '"\\$HOME \\${HOME}"'),
        ("C:\\temp", '"C:\\\\temp"'),
        ("ends with \\", '"ends with \\\\"'),
        ("one\ntwo\r\nthree", '"one two three"'),
        ("größe", '"größe"'),
    ],
)
def test_a_text_becomes_one_quoted_word(text: str, word: str) -> None:
    assert dockerfile.quoted(text) == word


def test_labels_are_sorted_instructions() -> None:
    assert dockerfile.label_lines({"b": '{"x": "y"}', "a": "1"}) == ['LABEL "a"="1"', 'LABEL "b"="{\\"x\\": \\"y\\"}"']


def test_a_model_image_holds_the_models_layer_and_labels_only() -> None:
    assert dockerfile.model_dockerfile("model.tar", {"model-webservice.model.name": "mnist"}) == (
        'FROM scratch\nADD model.tar /\nLABEL "model-webservice.model.name"="mnist"\n'
    )


def test_a_scoring_image_has_its_layers_in_the_order_in_which_they_change_least_often() -> None:
    text = dockerfile.scoring_dockerfile(
        base_image="python:3.11-slim",
        dependencies="dependencies.tar",
        server="server.tar",
        models=["models/a:1", "models/b:2"],
        script="script.tar",
        environment={"B": "2 3", "A": "1"},
        labels={"l": "x"},
    )
    assert text.splitlines() == [
        "FROM python:3.11-slim",
        "ADD dependencies.tar /",
        "ADD server.tar /",
        "COPY --from=models/a:1 / /",
        "COPY --from=models/b:2 / /",
        "ADD script.tar /",
        'ENV A="1"',
        'ENV B="2 3"',
        'LABEL "l"="x"',
        "WORKDIR /var/azureml-app",
        "USER 10001:10001",
        "EXPOSE 5001",
        "ENTRYPOINT []",
        'CMD ["python3", "-m", "scoring_server"]',
    ]
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("models", "model_dir"),
    [
        ([], "/var/azureml-app/azureml-models"),
        ([("mnist", "3")], "/var/azureml-app/azureml-models/mnist/3"),
        ([("a", "1"), ("b", "2")], "/var/azureml-app/azureml-models"),
    ],
)
def test_the_model_dir_is_the_one_models_folder_or_the_root_of_several(
    models: list[tuple[str, str]], model_dir: str
) -> None:
    environment = dockerfile.scoring_environment(entry_script="score.py", models=models)
    assert environment["AZUREML_MODEL_DIR"] == model_dir


def test_the_environment_of_an_image_names_the_script_and_the_folders() -> None:
    environment = dockerfile.scoring_environment(entry_script="score.py", models=[])
    assert environment["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert environment["AML_APP_ROOT"] == "/var/azureml-app"
    assert environment["PYTHONPATH"] == "/opt/server:/opt/dependencies"
    assert environment["PYTHONUNBUFFERED"] == "1"
