"""Extra steps of an image's build: what is allowed, and what is not."""

from pathlib import Path

import pytest

from components import extra_steps
from components.problems import Problem


def read(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "steps").write_text(text)
    return extra_steps.read(tmp_path / "steps")


def test_instructions_are_joined_and_comments_left_out(tmp_path: Path) -> None:
    text = (
        "# syntax=x\n\nrun apt-get update && \\\n  # needed by lightgbm\n  apt-get install -y \\\n  libgomp1\nENV A=1\n"
    )
    assert read(tmp_path, text) == ["RUN apt-get update && apt-get install -y libgomp1", "ENV A=1"]


@pytest.mark.parametrize(
    "step", ["RUN true", "ENV A=1", "ARG A", "LABEL a=b", 'SHELL ["bash"]', "WORKDIR /opt", "RUN a <<< b"]
)
def test_what_is_allowed(tmp_path: Path, step: str) -> None:
    assert read(tmp_path, step) == [step]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("FROM python", r"line 1: FROM is not allowed: the image starts from baseImage: set that\. Allowed: RUN, ENV"),
        ("RUN true\nuser root", r"line 2: USER is not allowed: the server runs as a user without rights"),
        ("CMD x", r"CMD is not allowed: the image's command is the server"),
        ('ENTRYPOINT ["x"]', r"ENTRYPOINT is not allowed"),
        ("COPY a b", r"COPY is not allowed: files come by dependencies"),
        ("ADD https://x/y /y", r"ADD is not allowed"),
        ("HEALTHCHECK NONE", r"HEALTHCHECK is not allowed: the service has its own"),
        ("INSTALL x", r"INSTALL is not allowed: Docker knows no such instruction"),
        ("RUN pip install numpy", r"'pip install' installs packages that are not locked: name them in condaFile"),
        ("RUN python -m pip --quiet install x", r"installs packages that are not locked"),
        ("RUN a && conda install x", r"'conda install' installs"),
        ("RUN cat <<EOF", r"here-documents are not supported"),
        ("ENV PYTHONPATH=/x", r"PYTHONPATH is set by the image itself"),
        ("ENV AZUREML_MODEL_DIR /x", r"AZUREML_MODEL_DIR is set by the image itself"),
        ('LABEL "model-webservice.model.name"="x"', r"labels that begin with model-webservice\. are the image's own"),
        ("# nothing", r"has no steps: drop it"),
    ],
)
def test_what_is_refused(tmp_path: Path, step: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read(tmp_path, step)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"dockerFile '.*none' cannot be read"):
        extra_steps.read(tmp_path / "none")
