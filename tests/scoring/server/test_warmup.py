"""The sample that each worker runs before it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from .process import launch, running

RAW = "from azureml.contrib.services.aml_request import rawhttp\n"
STREAM = "from azureml.contrib.services.aml_response import AMLResponse\n"
SCRIPTS = {
    "plain": "def run(data): return note(data)",
    "batch": "def run_batch(inputs): return [note(each) for each in inputs]",
    "headers": "def run(data, request_headers): return note(data + request_headers['Content-Type'])",
    "raw": RAW + "@rawhttp\ndef run(request): return note(request.method + request.path + request.data.decode())",
    "stream": STREAM + "def run(data): return AMLResponse(iter([note('a'), note(data)]), 200)",
}
EXPECTED = {
    "plain": ["[1]"],
    "batch": ["[1]"],
    "headers": ["[1]application/json"],
    "raw": ["POST/score[1]"],
    "stream": ["a", "[1]"],
}


def root(folder: Path, text: str, sample: str = "[1]") -> Path:
    (folder / "samples").mkdir()
    (folder / "samples" / "warm.json").write_text(sample)
    common = "import os\ndef init(): pass\ndef note(text):\n    print('seen', text, os.getpid())\n    return text\n"
    (folder / "score.py").write_text(common + text)
    return folder


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_sample_is_run_before_ready(tmp_path: Path, name: str) -> None:
    environ = {"SCORING_WARMUP_SAMPLE": "samples/warm.json"}
    with running(root(tmp_path, SCRIPTS[name]), "score.py", environ) as server:
        seen = [line.split(" seen ")[1].split()[0] for line in server.log.lines if " seen " in line]
        assert seen == EXPECTED[name]
        assert server.log.text.index("Warmed up with") < server.log.text.index("ready for serving traffic")
        assert server.request("POST", "/score", "[2]", {"Content-Type": "text/plain"}).status == 200


def test_every_worker_runs_it(tmp_path: Path) -> None:
    environ = {"SCORING_WARMUP_SAMPLE": "samples/warm.json", "WORKER_COUNT": "2"}
    with running(root(tmp_path, SCRIPTS["plain"]), "score.py", environ, workers=2) as server:
        assert len({line.split()[-1] for line in server.log.lines if " seen " in line}) == 2


@pytest.mark.parametrize(
    ("script", "sample", "path", "expected"),
    [
        ("def run(data): raise ValueError('no luck')", "1", "samples/warm.json", "ValueError: no luck"),
        ("def run(data): return float('nan')", "1", "samples/warm.json", "run() returned NaN"),
        (SCRIPTS["plain"], "\udcff", "samples/warm.json", "400 {"),
        (SCRIPTS["plain"], "1", "samples/other.json", "samples/other.json cannot be read: [Errno 2]"),
    ],
)
def test_a_failing_sample_ends_the_process(tmp_path: Path, script: str, sample: str, path: str, expected: str) -> None:
    app = root(tmp_path, script)
    (app / "samples" / "warm.json").write_bytes(sample.encode(errors="surrogateescape"))
    server = launch(app, "score.py", {"SCORING_WARMUP_SAMPLE": path})
    server.log.join()
    assert server.process.wait(10) == 3
    assert expected in server.log.text
    assert "The warm-up with" in server.log.text or "SCORING_WARMUP_SAMPLE is" in server.log.text
