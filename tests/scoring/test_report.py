import io
import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from scoring.endpoint import Endpoint
from scoring.mnist.data import held_out
from scoring.report import Answer, Sample, as_json, ask, problems, show
from tests.scoring.conftest import Serve

URI = "http://127.0.0.1:32768/score"


def answer(name: str, *predicted: int, error: str = "", uri: str = URI, image: str = "myimage1:0123456789ab") -> Answer:
    service = Endpoint(name, uri, style="registered model", image=image)
    return Answer(service, "Unhealthy" if error else "Healthy", predicted, error)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample.draw(*held_out(), count=5, seed=5)


def text(sample: Sample, answers: list[Answer], width: int = 80, encoding: str = "utf-8", **options: bool) -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show(Console(file=out, width=width, highlight=False, markup=False, **options), sample, answers)
    out.seek(0)
    return out.read()


def test_a_seed_chooses_the_same_digits_again(sample: Sample) -> None:
    pixels, labels = held_out()
    again = Sample.draw(pixels, labels, 5, 5)
    assert sample.labels.tolist() == again.labels.tolist() == [0, 7, 2, 4, 6]
    assert np.array_equal(sample.pixels, again.pixels)
    assert not np.array_equal(sample.pixels, Sample.draw(pixels, labels, 5, 6).pixels)
    everything = Sample.draw(pixels, labels, 1000, 5)
    assert len({row.tobytes() for row in everything.pixels}) == 1000


def test_the_pages_to_try_services_on_are_shown(sample: Sample) -> None:
    named = replace(answer("a", 0, 7, 2, 4, 6), test_page="http://127.0.0.1:32768/ui")
    lines = text(sample, [named, answer("b", 0, 7, 2, 4, 6)]).splitlines()
    assert [line for line in lines if "test page" in line] == ["test page: http://127.0.0.1:32768/ui (a)"]
    assert json.loads(as_json(sample, [named]))["services"]["a"]["testPage"] == "http://127.0.0.1:32768/ui"


@pytest.mark.parametrize("count", [-1, 0, 1001])
def test_more_digits_than_there_are_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} digits were asked for; there are 1 to 1000"):
        Sample.draw(*held_out(), count=count, seed=1)


def test_ask_sends_the_digits_and_reads_the_labels(
    serve: Serve, reader: Callable[[str, str, bytes], tuple[int, str]], sample: Sample
) -> None:
    service = serve(reader)
    answered = ask(Endpoint("mnist", service.scoring_uri), sample)
    assert (answered.state, answered.error, len(answered.predicted)) == ("Healthy", "", 5)
    assert sum(label == true for label, true in zip(answered.predicted, sample.labels, strict=True)) >= 4
    assert [request[:2] for request in service.requests] == [("GET", "/"), ("POST", "/score"), ("GET", "/ui")]
    assert np.array_equal(np.array(json.loads(service.requests[1][2])["data"]), sample.pixels)


@pytest.mark.parametrize("body", ["[1, 2]", '"[0, 7, 2, 4, 6]"', "{}", "[0, 7, 2, 4, null]", "[0, 7, 2, 4, 6.5]"])
def test_an_answer_other_than_labels_is_an_error(serve: Serve, sample: Sample, body: str) -> None:
    service = serve(lambda *_: (200, body))
    answered = ask(Endpoint("mnist", service.scoring_uri), sample)
    assert answered.predicted == ()
    assert f"answered {json.dumps(json.loads(body))} and not a list of 5 labels" in answered.error


def test_a_failing_service_is_an_error(serve: Serve, sample: Sample) -> None:
    service = serve(lambda method, *_: (200, "Healthy") if method == "GET" else (500, '{"message": "boom"}'))
    answered = ask(Endpoint("mnist", service.scoring_uri), sample)
    assert answered.state == "Healthy"
    assert answered.error == f"mnist: POST {service.scoring_uri} answered 500: boom"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([answer("a", 1, 2)], []),
        ([answer("a", 1, 2), answer("b", 1, 2), answer("c", 1, 2)], []),
        (
            [answer("a", 1, 2), answer("b", 1, 3), answer("c", 1, 2)],
            ["the services differ on digit 2: a 2, b 3, c 2"],
        ),
        ([answer("a", 1, 2), answer("b", error="b: gone")], ["b: gone"]),
        ([answer("a", error="a: gone"), answer("b", error="b: gone")], ["a: gone", "b: gone"]),
        (
            [answer("a", 1, 2), answer("b", error="b: gone"), answer("c", 3, 2)],
            ["b: gone", "the services differ on digit 1: a 1, c 3"],
        ),
    ],
)
def test_problems(answers: list[Answer], expected: list[str]) -> None:
    assert problems(answers) == expected


@pytest.mark.parametrize(("width", "lines_a_service"), [(80, 2), (160, 1)])
def test_the_table_tells_all_of_each_service(sample: Sample, width: int, lines_a_service: int) -> None:
    answers = [answer(f"aci-mnist-{number}", 0, 7, 2, 7, 6) for number in (1, 2, 3)]
    shown = text(sample, answers, width)
    assert max(map(len, shown.splitlines())) <= width
    lines = shown.splitlines()
    for number in (1, 2, 3):
        start = next(i for i, line in enumerate(lines) if f"aci-mnist-{number}" in line)
        block = " ".join(lines[start : start + lines_a_service])
        for part in ("registered model", "myimage1:0123456789ab", "Healthy", URI, "0  7  2  7* 6", "0  7  2  4  6"):
            assert part in block
    assert "true 4, read as 7*" in shown
    assert "* not the true label: the model's mistake, no failure of a service" in shown
    assert lines[-1] == "The 3 services answer alike (digits drawn with --seed 5)."


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_uri_is_never_broken(sample: Sample, width: int) -> None:
    uri = "http://scoring.staging.example.com:32768/a/rather/long/service/prefix/score"
    image = "registry.example.com:5000/team/models/handwriting/myimage1:0123456789ab"
    shown = text(sample, [answer("aci-mnist-1", 0, 7, 2, 4, 6, uri=uri, image=image)], width)
    assert uri in shown
    assert " ".join(shown.split()).endswith("alike (digits drawn with --seed 5).")


def test_many_labels_wrap(sample: Sample) -> None:
    many = Sample.draw(*held_out(), count=60, seed=5)
    lines = text(many, [answer("aci-mnist-1", *many.labels.tolist())]).splitlines()
    assert max(map(len, lines)) <= 80
    block = lines[next(i for i, line in enumerate(lines) if "aci-mnist-1" in line) : -2]
    labels = [int(word) for line in block for word in line[-22:].split() if word.isdigit()]
    assert labels == [*many.labels.tolist()] * 2


def test_services_that_differ_or_fail_are_shown_and_not_called_alike(sample: Sample) -> None:
    shown = text(sample, [answer("a", 0, 7, 2, 4, 6), answer("b", 0, 7, 2, 9, 6), answer("c", error="c: gone")])
    assert "true 4, read as 9*" in shown
    assert "* not the true label\n" in shown
    assert re.search(r"^c .*Unhealthy +failed", shown, re.MULTILINE)
    assert "alike" not in shown


def test_plain_text_without_a_terminal_or_with_no_color(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [answer("a", 0, 7, 2, 7, 6)]
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    plain = text(sample, answers)
    assert "\x1b" not in plain
    coloured = text(sample, answers, force_terminal=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[32m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text(sample, answers, force_terminal=True))


def test_ascii_where_the_encoding_is_not_unicode(sample: Sample) -> None:
    shown = text(sample, [answer("a", 0, 7, 2, 4, 6)], encoding="ascii")
    assert shown.isascii()
    assert "####" in shown
    assert "█" in text(sample, [answer("a", 0, 7, 2, 4, 6)])


def test_json(sample: Sample) -> None:
    report = json.loads(as_json(sample, [answer("a", 0, 7, 2, 7, 6), answer("b", error="b: gone")]))
    assert report["alike"] is False
    assert report["problems"] == ["b: gone"]
    assert (report["seed"], report["trueLabels"]) == (5, [0, 7, 2, 4, 6])
    assert report["services"]["a"] == {
        "style": "registered model",
        "image": "myimage1:0123456789ab",
        "imageId": "",
        "models": [],
        "state": "Healthy",
        "scoringUri": URI,
        "swaggerUri": "http://127.0.0.1:32768/swagger.json",
        "testPage": None,
        "predictedLabels": [0, 7, 2, 7, 6],
        "error": None,
    }
    assert (report["services"]["b"]["predictedLabels"], report["services"]["b"]["error"]) == (None, "b: gone")
