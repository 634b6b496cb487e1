"""The closing report: the same held-out digits sent to every service of a stack, and what came back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from scoring.digits import side_by_side
from scoring.endpoint import Endpoint, ServiceError
from scoring.mnist.data import Labels, Pixels
from scoring.trial import Trial

MARK = "*"


@dataclass(frozen=True)
class Sample:
    """Digits to send.

    Attributes:
        seed: what they were chosen with.
        pixels: float [n, 784] in 0..1.
        labels: the true labels, int [n].
    """

    seed: int
    pixels: Pixels
    labels: Labels

    @classmethod
    def draw(cls, pixels: Pixels, labels: Labels, count: int, seed: int) -> "Sample":
        """Choose ``count`` of the digits at random, each at most once.

        Raises:
            ValueError: there are fewer digits than that.
        """
        if not 1 <= count <= len(labels):
            raise ValueError(f"{count} digits were asked for; there are 1 to {len(labels)}")
        chosen = np.random.RandomState(seed).permutation(len(labels))[:count]
        return cls(seed, pixels[chosen], labels[chosen])

    @property
    def body(self) -> bytes:
        """The digits as the services read them: ``{"data": [[784 numbers], ...]}``."""
        return json.dumps({"data": self.pixels.tolist()}).encode()


@dataclass(frozen=True)
class Answer:
    """What a service made of the sample: its labels, or the error in their place; and its test page, if it has one."""

    service: Endpoint
    state: str
    predicted: tuple[int, ...] = ()
    error: str = ""
    test_page: str = ""


def ask(service: Endpoint, sample: Sample) -> Answer:
    """Ask a service for its state and for the sample's labels. Errors become part of the answer."""
    state = service.state()
    try:
        result = service.run(sample.body)
    except ServiceError as error:
        return Answer(service, state, error=str(error))
    count = len(sample.labels)
    if not (isinstance(result, list) and len(result) == count and all(type(label) is int for label in result)):
        shown = json.dumps(result)
        return Answer(
            service,
            state,
            error=f"{service.name}: POST {service.scoring_uri} answered {shown[:200]} and not a list of {count} labels",
        )
    return Answer(service, state, predicted=tuple(result), test_page=service.test_page())


def problems(answers: Sequence[Answer], trials: Sequence[Trial] = ()) -> list[str]:
    """Why the services are not alike: each that failed, then each digit of which the others say different things.

    Empty when all answered and answered alike, however wrong: a model's mistake is not a service's.
    """
    failed = [answer.error for answer in answers if answer.error] + [trial.error for trial in trials if trial.error]
    answered = [answer for answer in answers if not answer.error]
    differing = []
    for place, labels in enumerate(zip(*(answer.predicted for answer in answered), strict=True), start=1):
        if len(set(labels)) > 1:
            said = ", ".join(f"{answer.service.name} {answer.predicted[place - 1]}" for answer in answered)
            differing.append(f"the services differ on digit {place}: {said}")
    return failed + differing


def as_json(sample: Sample, answers: Sequence[Answer], trials: Sequence[Trial] = ()) -> str:
    """The report as one JSON object, keys as in the stack's output ``services``.

    Services that read no digits have their ``answer`` in place of labels, null where they have no sample.
    """
    found = problems(answers, trials)
    by_digits = {
        one.service.name: _described(one) | {"predictedLabels": list(one.predicted) or None} for one in answers
    }
    by_trial = {one.service.name: _described(one) | {"answer": one.answer} for one in trials}
    return json.dumps(
        {
            "alike": not found,
            "problems": found,
            "seed": sample.seed if answers else None,
            "trueLabels": sample.labels.tolist() if answers else None,
            "services": by_digits | by_trial,
        },
        indent=2,
    )


def _described(one: Answer | Trial) -> dict[str, object]:
    """What the report says of every service."""
    service = one.service
    return {
        "style": service.style,
        "image": service.image,
        "imageId": service.image_id,
        "models": list(service.models),
        "state": one.state,
        "scoringUri": service.scoring_uri,
        "swaggerUri": service.swagger_uri,
        "testPage": one.test_page or None,
        "error": one.error or None,
    }


def show(console: Console, sample: Sample, answers: Sequence[Answer]) -> None:
    """Print the digits, the services and their test pages, and if it is so that they answer alike; not the problems."""
    captions = [_caption(true, place, answers) for place, true in enumerate(sample.labels.tolist())]
    blocks = console.encoding.lower().startswith("utf")
    for line in side_by_side(list(sample.pixels), captions, console.width, blocks):
        console.print(Text(line), soft_wrap=True)
    console.print()

    table = _table(sample, answers)
    if console.measure(table, options=console.options.update(width=10_000)).maximum > console.width:
        table = _narrow_table(sample, answers)
    # Past the terminal's edge rather than without the end of a URI.
    console.print(table, crop=False)
    console.print()
    pages = [answer for answer in answers if answer.test_page]
    for answer in pages:
        console.print(Text(f"test page: {answer.test_page} ({answer.service.name})"), soft_wrap=True)
    if pages:
        console.print()
    alike = not problems(answers)
    if any(MARK in caption for caption in captions):
        console.print(
            f"{MARK} not the true label" + (": the model's mistake, no failure of a service" if alike else "")
        )
    if alike:
        which = f"The {len(answers)} services answer" if len(answers) > 1 else "The one service answers"
        console.print(Text(f"{which} alike (digits drawn with --seed {sample.seed}).", style="green"))


def _table(sample: Sample, answers: Sequence[Answer]) -> Table:
    """One line a service."""
    table = Table("service", "style", "image", "state", "scoring URI", "predicted", "true")
    table.box, table.show_edge = box.SIMPLE_HEAD, False
    for answer in answers:
        service = answer.service
        predicted, true = _labels(answer, sample)
        table.add_row(service.name, service.style, service.image, _state(answer), service.scoring_uri, predicted, true)
    return table


def _narrow_table(sample: Sample, answers: Sequence[Answer]) -> Table:
    """Two lines a service, for terminals of about 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, leading=1)
    table.add_column("service\nstyle", min_width=max(len(answer.service.name) for answer in answers))
    table.add_column("scoring URI\nimage", min_width=max(len(answer.service.scoring_uri) for answer in answers))
    table.add_column("state\n")
    table.add_column("predicted\ntrue")
    for answer in answers:
        service = answer.service
        predicted, true = _labels(answer, sample, in_line=5)
        table.add_row(
            Text(f"{service.name}\n{service.style}"),
            Text(f"{service.scoring_uri}\n{service.image}", overflow="fold"),
            _state(answer),
            Group(predicted, true),
        )
    return table


def _labels(answer: Answer, sample: Sample, in_line: int | None = None) -> tuple[Text, Text]:
    """The predicted labels, the wrong ones marked, and the true ones; ``in_line`` of them in a line or all."""
    truth = sample.labels.tolist()
    in_line = in_line or len(truth)
    predicted, true = Text(), Text()
    for place, label in enumerate(truth):
        end = "" if place == len(truth) - 1 else "\n" if place % in_line == in_line - 1 else " "
        true.append(f"{label} {end}")
        if not answer.error:
            right = answer.predicted[place] == label
            predicted.append(f"{answer.predicted[place]}{' ' if right else MARK}{end}", style="" if right else "yellow")
    return Text("failed", style="red") if answer.error else predicted, true


def _state(answer: Answer) -> Text:
    return Text(answer.state, style="green" if answer.state == "Healthy" else "red")


def _caption(true: int, place: int, answers: Sequence[Answer]) -> str:
    wrong = sorted({answer.predicted[place] for answer in answers if answer.predicted} - {true})
    return f"true {true}" + (f", read as {'/'.join(map(str, wrong))}{MARK}" if wrong else "")
