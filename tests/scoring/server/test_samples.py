"""Samples: where they are looked for, and what happens with those that are none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from scoring_server import samples
from scoring_server.settings import Settings


@pytest.mark.parametrize(
    ("content", "expected", "told"),
    [
        ('[{"a": null}]', [{"a": None}], ""),
        (b"\xef\xbb\xbf[1]", [1], ""),
        (None, {}, ""),
        ("{", {}, "cannot be used: Expecting"),
        ('{"a": NaN}', {}, "it holds NaN"),
        ("[" * 100_000, {}, "cannot be used"),
        (" " * 2_000_000, {}, "it is longer than"),
        (b"\xff", {}, "cannot be used: 'utf-8'"),
    ],
)
def test_a_sample_that_is_none_is_told_and_does_no_harm(
    content: str | bytes | None, expected: object, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if content is not None:
        (tmp_path / "sample_input.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with caplog.at_level(logging.WARNING):
        assert samples.read(Settings(app_root=str(tmp_path), entry_script="score.py"), samples.INPUT) == expected
    assert told in caplog.text if told else not caplog.text


def test_the_sample_may_lie_elsewhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "other.json").write_text("[1]")
    given = Settings.from_environ({"SCORING_SAMPLE_INPUT": str(tmp_path / "other.json")})
    assert samples.read(given, samples.INPUT) == [1]
    assert samples.read(given, samples.OUTPUT) == {}
    assert samples.read(Settings(app_root=str(tmp_path), sample_input="other.json"), samples.INPUT) == [1]
    with caplog.at_level(logging.WARNING):
        assert samples.read(Settings(sample_input=str(tmp_path / "nope.json")), samples.INPUT) == {}
    assert "nope.json" in caplog.text


def test_a_models_samples_come_after_the_scripts(tmp_path: Path) -> None:
    settings = Settings(
        app_root=str(tmp_path), model_records=str(tmp_path / "records"), model_digests={"m/2": "", "m/1": ""}
    )
    assert samples.read(settings, samples.INPUT) == {}
    for version in "12":
        folder = tmp_path / "records" / "m" / version
        folder.mkdir(parents=True)
        for name in (samples.INPUT, samples.OUTPUT):
            (folder / name).write_text(f'["model {version}", "{name}"]')
    assert samples.read(settings, samples.INPUT) == ["model 1", "sample_input.json"]
    assert samples.read(settings, samples.OUTPUT) == ["model 1", "sample_output.json"]
    (tmp_path / "sample_input.json").write_text('["script"]')
    assert samples.read(settings, samples.INPUT) == ["script"]
