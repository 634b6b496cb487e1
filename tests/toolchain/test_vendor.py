"""The vendor's release, from a server of the test's."""

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import vendor
from toolchain.engine import download_release
from toolchain.step import Unavailable


def release(names: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


FILES = {
    "/good": release({"pulumi/pulumi": "#!/bin/sh\n", "pulumi/pulumi-language-python": "x", "pulumi/LICENSE": ""}),
    "/hostile": release(dict.fromkeys(["pulumi/pulumi", "../pulumi-1", "/tmp/pulumi-2", "pulumi/../../pulumi-3"], "x")),
    "/empty": release({"pulumi/README": ""}),
    "/page": b"<html>You shall not pass</html>",
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = FILES.get(self.path.removesuffix("-cut"))
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write((found or b"")[: 50 if self.path.endswith("-cut") else None])

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_release_is_unpacked_in_place_of_what_was_there(server: str, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "old").write_text("")
    machine = ChosenMachine(outputs=EveryCommand())
    download_release(machine, f"{server}/good", programs, lambda _: None)
    assert sorted(path.name for path in programs.iterdir()) == ["pulumi", "pulumi-language-python"]
    assert (programs / "pulumi").stat().st_mode & 0o111
    assert list(tmp_path.iterdir()) == [programs]


class EveryCommand(dict[str, str]):
    """Outputs in which every command succeeds."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return ""


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "Not Found"),
        ("/good-cut", "ended after 50 of"),
        ("/page", "no release of Pulumi"),
        ("/empty", "has no program 'pulumi'"),
    ],
)
def test_a_bad_download_leaves_nothing(path: str, reason: str, server: str, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    with pytest.raises(Unavailable, match=reason):
        download_release(ChosenMachine(outputs=EveryCommand()), f"{server}{path}", programs, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_release_that_does_not_run_here_is_not_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="failed"):
        download_release(ChosenMachine(), f"{server}/good", tmp_path / "programs", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_writes_nowhere_else(server: str, tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    target.mkdir(parents=True)
    archive = tmp_path / "archive"
    vendor.download(f"{server}/hostile", archive, lambda _: None)
    vendor.unpack(archive, target)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"archive", "pulumi", "pulumi-3"}
    assert {path.parent for path in tmp_path.rglob("pulumi*")} == {target}
    assert not Path("/tmp/pulumi-2").exists()


def test_addresses() -> None:
    machine = ChosenMachine()
    assert vendor.release(machine, "3.250.0").endswith("/releases/sdk/pulumi-v3.250.0-linux-x64.tar.gz")
    assert vendor.plugin(machine, "docker", "5.2.0").endswith(
        "/releases/plugins/pulumi-resource-docker-v5.2.0-linux-amd64.tar.gz"
    )
