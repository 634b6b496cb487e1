"""Build contexts on disk: stable paths, settled modes, tags made from content."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import staging


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("aci-mnist-1", ".staging/dev/aci-mnist-1"),
        ("svc-my model.pkl", ".staging/dev/svc-my-model.pkl"),
        ("a/b:c", ".staging/dev/a-b-c"),
    ],
)
def test_a_context_lies_at_a_stable_path_below_the_working_directory(name: str, folder: str) -> None:
    made = staging.context_folder("dev", name)
    assert made.as_posix() == folder
    assert made.is_dir()


def test_components_of_one_name_have_folders_of_their_own() -> None:
    assert staging.claim("dev", "churn", "Model") == "churn"
    assert staging.claim("dev", "churn", "Image") == "churn.2"
    assert staging.claim("dev", "churn", "Image", "Service", "svc") == "churn.3"
    assert staging.claim("prod", "churn", "Image") == "churn"
    assert staging.claim("dev", "churn.2", "Model") == "churn.2.2"


def test_a_component_that_comes_again_has_the_folder_that_it_had() -> None:
    for _ in ("a preview", "an update"):
        assert staging.claim("dev", "again", "Model") == "again"
        assert staging.claim("dev", "again", "Image") == "again.2"


def test_names_that_make_one_path_are_one_name() -> None:
    assert staging.claim("dev", "svc-my-model.pkl", "Model") == "svc-my-model.pkl"
    assert staging.claim("dev", "svc-my model.pkl", "Model") == "svc-my-model.pkl.2"


@pytest.mark.usefixtures("strict_umask")
def test_modes_do_not_depend_on_the_umask() -> None:
    folder = staging.context_folder("dev", "x")
    staging.finish(folder, "FROM scratch\n", [], "linux/amd64")
    modes = {path.as_posix(): stat.S_IMODE(path.stat().st_mode) for path in sorted(Path(".staging").rglob("*"))}
    assert modes == {".staging/dev": 0o755, ".staging/dev/x": 0o755, ".staging/dev/x/Dockerfile": 0o644}
    assert stat.S_IMODE(Path(".staging").stat().st_mode) == 0o755


def test_a_finished_context_names_its_path_and_its_content() -> None:
    context = staging.finish(staging.context_folder("dev", "x"), "FROM scratch\n", ["d1", "d2"], "linux/amd64")
    assert context.path == ".staging/dev/x"
    assert Path(context.path, "Dockerfile").read_text() == "FROM scratch\n"
    assert len(context.tag) == 12
    assert int(context.tag, 16) >= 0


def test_the_tag_depends_on_dockerfile_digests_and_platform_and_not_on_the_name() -> None:
    def tag(name: str, text: str, digests: list[str], platform: str) -> str:
        return staging.finish(staging.context_folder("dev", name), text, digests, platform).tag

    first = tag("x", "FROM a\n", ["1", "2"], "linux/amd64")
    assert tag("y", "FROM a\n", ["1", "2"], "linux/amd64") == first
    others = [
        tag("x", "FROM b\n", ["1", "2"], "linux/amd64"),
        tag("x", "FROM a\n", ["1", "3"], "linux/amd64"),
        tag("x", "FROM a\n", ["1", "2"], "linux/arm64"),
    ]
    assert len({first, *others}) == 4


def test_what_is_there_already_is_not_written_again() -> None:
    path = Path("file")
    staging.write_if_changed(path, "one")
    os.utime(path, (1, 1))
    staging.write_if_changed(path, "one")
    assert path.stat().st_mtime == 1
    staging.write_if_changed(path, "two")
    assert path.read_text() == "two"
    assert os.listdir() == ["file"]


def test_files_of_earlier_contexts_are_removed() -> None:
    folder = staging.context_folder("dev", "x")
    for name in ("Dockerfile", "old.tar", ".Dockerfile.1"):
        (folder / name).write_text("")
    staging.keep_only(folder, ["Dockerfile", "new.tar"])
    assert [entry.name for entry in folder.iterdir()] == ["Dockerfile"]
