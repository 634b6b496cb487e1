from __future__ import annotations

from pathlib import Path

import pytest

from components.dependencies import Dependencies, check_python, inline, merge, read_conda_file, read_requirements_file
from components.package_indexes import PackageIndexes
from components.problems import Problem


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


SAMPLE = """\
name: project_environment
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - conda-forge::scikit-learn=1.7.2
  - pytorch>=2.1
  - py-opencv=4.9
  - msgpack-python
  - nomkl
  - _libgcc_mutex=0.1=main
  - openssl=1.1.1w=h7f8727e_0
  - pip:
    - azureml-defaults==1.0.41
    - pandas[parquet]>=2 ; python_version > "3.8"  # tables
    - --extra-index-url https://user:secret@host/simple
"""


def test_conda_file(tmp_path: Path) -> None:
    needs = read_conda_file(written(tmp_path / "myenv.yml", SAMPLE))
    assert needs.requirements == (
        "scikit-learn==1.7.2.*",
        "torch>=2.1",
        "opencv-python-headless==4.9.*",
        "msgpack",
        'pandas[parquet]>=2; python_version > "3.8"',
    )
    assert needs.python == "==3.11.*"
    assert needs.origins["torch"] == "conda package pytorch in myenv.yml, line 8"
    assert needs.origins["pandas"] == "myenv.yml, line 16"
    assert needs.indexes == PackageIndexes(extra=("https://user:secret@host/simple",))
    assert needs.notes == (
        "myenv.yml, line 15: azureml-defaults left out; the scoring server and azureml's import names are built in",
        "myenv.yml: nomkl, libgcc-mutex, openssl left out; the base image and the wheels bring their own",
    )


def test_logins_show_in_no_representation(tmp_path: Path) -> None:
    needs = read_conda_file(written(tmp_path / "myenv.yml", SAMPLE))
    assert "secret" not in repr(needs) + str(needs)


def test_conda_keys_without_effect_are_said(tmp_path: Path) -> None:
    path = written(tmp_path / "e.yml", "prefix: /opt/conda\nvariables: {A: b}\ndependencies: [numpy]\n")
    assert read_conda_file(path).notes == (
        "e.yml: 'variables' has no effect on the image; give environment variables in the service's settings",
    )


@pytest.mark.parametrize("text", ["", "name: x\n", "dependencies:\n", "dependencies: []\n", "dependencies:\n- pip:\n"])
def test_conda_file_that_asks_for_nothing(tmp_path: Path, text: str) -> None:
    assert read_conda_file(written(tmp_path / "e.yml", text)) == Dependencies()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [numpy\n", r"is not readable YAML: line 2, column 1"),
        ("dependencies:\n- numpy\n\t- pandas\n", r"is not readable YAML: line 3, column 1"),
        ("name: a\x07b\n", r"is not readable YAML: line 1, column 8"),
        ("- numpy\n", r"line 1, column 1: a conda file is a mapping"),
        ("dependencies: numpy\n", r"line 1, column 15: 'dependencies' has to be a list"),
        ("dependencies:\n- [numpy]\n", r"line 2, column 3: a package such as"),
        ("dependencies:\n- npm:\n  - left-pad\n", r"line 2, column 3: 'npm' is not supported"),
        ("dependencies:\n- pip: numpy\n", r"line 2, column 8: 'pip' has to be a list"),
        ("dependencies: [a]\ndependencies: [b]\n", r"line 2, column 1: the key 'dependencies' is there twice"),
        ("dependencies:\n- r-ggplot2\n", r"line 2: the conda package 'r-ggplot2' is not a Python package.*baseImage"),
        ("dependencies:\n- ffmpeg=6\n", r"line 2: the conda package 'ffmpeg' is not a Python package.*baseImage"),
        ("dependencies:\n- cpuonly\n", r"line 2: the conda package 'cpuonly' chooses a build.*--extra-index-url"),
        ("dependencies:\n- numpy=1|2\n", r"cannot read the conda package 'numpy=1\|2'"),
        ("dependencies:\n- pip:\n  - ./wheels/own.whl\n", r"line 3: '\./wheels/own\.whl' is a folder"),
        ("dependencies:\n- pip:\n  - nump y\n", r"line 3: 'nump y' is no requirement"),
        ("dependencies:\n- pip:\n  - -r none.txt\n", r"cannot read '.*none\.txt': No such file"),
    ],
)
def test_bad_conda_files(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read_conda_file(written(tmp_path / "e.yml", text))


@pytest.mark.parametrize("text", ["dependencies: [numpy\n", "name: a\x07b\n"])
def test_what_is_no_yaml_is_told_what_a_conda_file_looks_like(tmp_path: Path, text: str) -> None:
    fix = (
        r"\. Correct it there: a conda file is a mapping with a list 'dependencies', a package such as 'numpy=1\.26' a"
    )
    with pytest.raises(Problem, match=fix):
        read_conda_file(written(tmp_path / "e.yml", text))


def test_a_conda_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "e.yml").write_bytes(b"name: x\ndependencies: [\xff]\n")
    with pytest.raises(Problem, match=r"e\.yml' is not UTF-8 text: line 2, column 16"):
        read_conda_file(tmp_path / "e.yml")


def test_a_conda_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"cannot read '.*none\.yml': No such file"):
        read_conda_file(tmp_path / "none.yml")


def test_requirements_file(tmp_path: Path) -> None:
    written(tmp_path / "base.txt", "orjson>=3\n-c limits.txt\n")
    written(tmp_path / "limits.txt", "numpy<3\n")
    digest = "ab" * 32
    path = written(
        tmp_path / "requirements.txt",
        f"# packages\n-r base.txt\n\nnumpy == 2.0 \\\n    --hash=sha256:{digest} \\\n    --hash sha256:{digest[::-1]}\n"
        "requests[socks]>=2  # web\nazureml-core\n--prefer-binary\n",
    )
    needs = read_requirements_file(path)
    assert needs.requirements == ("orjson>=3", "numpy==2.0", "requests[socks]>=2")
    assert needs.constraints == ("numpy<3",)
    assert needs.hashes == {"numpy": (f"sha256:{digest}", f"sha256:{digest[::-1]}")}
    assert needs.origins == {
        "orjson": "base.txt, line 1",
        "numpy": "requirements.txt, line 4",
        "requests": "requirements.txt, line 7",
    }
    assert needs.python is None
    assert len(needs.notes) == 1
    assert needs.notes[0].startswith("requirements.txt, line 8: azureml-core left out")


def test_inline() -> None:
    assert inline(["numpy", " scikit-learn == 1.7.2 "]).requirements == ("numpy", "scikit-learn==1.7.2")


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ("numpy", "give a list of requirements"),
        (["numpy", "no such thing"], "packages, number 2: 'no such thing' is no requirement"),
        (["-r requirements.txt"], "packages, number 1: '-r requirements.txt' is no requirement"),
        ([""], "packages, number 1: '' is no requirement"),
    ],
)
def test_bad_inline(packages: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        inline(packages)


def test_merge() -> None:
    one = Dependencies(("numpy", "pandas<3"), "==3.11.*", hashes={"numpy": ("sha256:aa",)}, notes=("n",))
    other = Dependencies(("numpy", "torch"), ">=3.10", hashes={"numpy": ("sha256:bb",)}, notes=("n", "m"))
    merged = merge(one, other)
    assert merged.requirements == ("numpy", "pandas<3", "torch")
    assert set((merged.python or "").split(",")) == {"==3.11.*", ">=3.10"}
    assert merged.hashes == {"numpy": ("sha256:aa", "sha256:bb")}
    assert merged.notes == ("n", "m")
    assert merge() == Dependencies()


def test_merge_of_two_main_indexes() -> None:
    parts = [Dependencies(indexes=PackageIndexes(f"https://u:secret@{host}/simple")) for host in ("one", "two")]
    with pytest.raises(Problem, match="two different --index-url") as raised:
        merge(*parts)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("pin", "image"),
    [
        (None, "3.11"),
        ("==3.11.*", "3.11"),
        ("==3.11.7", "3.11"),
        ("==3.11.7", "3.11.7"),
        (">=3.10,<3.12", "3.11"),
        (">=3.8", "3.11"),
        (">3.11", "3.11"),
        ("!=3.11.4", "3.11"),
    ],
)
def test_python_that_fits(pin: str | None, image: str) -> None:
    check_python(pin, image)


@pytest.mark.parametrize(
    ("pin", "image"),
    [("==3.6.2", "3.11"), ("==3.10.*", "3.11"), (">=3.12", "3.11"), ("<3.11", "3.11"), ("==3.11.7", "3.11.8")],
)
def test_python_that_does_not_fit(pin: str, image: str) -> None:
    with pytest.raises(Problem) as raised:
        check_python(pin, image)
    for word in (pin, image, "python=3.11", "baseImage"):
        assert word in str(raised.value)


def test_built_in_packages_are_left_out_of_a_conda_file_too(tmp_path: Path) -> None:
    needs = read_conda_file(written(tmp_path / "e.yml", "dependencies: [azureml-core]\n"))
    assert needs.requirements == ()
    assert "conda package azureml-core in e.yml, line 1: azureml-core left out" in needs.notes[0]
