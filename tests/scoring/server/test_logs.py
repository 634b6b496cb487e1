from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scoring_server.logs import AccessLog, tree


def test_what_a_client_sends_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def write() -> None:
        log = AccessLog(asyncio.get_running_loop(), through_logging=False)
        log._enabled = True
        log.write("GET", "/a\nfake line \x1b[31m\u00e9", 200, 1.5, "7")
        log.flush()

    asyncio.run(write())
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.endswith("azmlinfsrv - GET /a\\nfake line \\x1b[31m\\xe9 200 1.500ms 7\n")


def test_tree(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "file").touch()
    (tmp_path / "a").touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    expected = [f"{tmp_path.name}/", "    a", "    b/", "        c/", "        file", "        loop"]
    assert list(tree(str(tmp_path))) == expected
