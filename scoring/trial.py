"""Services that read no digits, tried with what they say of themselves: the sample in their description."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.stack_file import StackFile
from scoring.endpoint import Endpoint, ServiceError

HEALTHY = "Healthy"
SAMPLE_SCRIPTS = Path("scoring", "mnist")
"""Where the scripts are that read digits."""

COLUMNS = ("service", "style", "image", "state", "scoring URI", "answer")
WHOLE = ("service", "scoring URI")

LONGEST = 60
"""Characters of an answer in the table."""


@dataclass(frozen=True)
class Trial:
    """What a service did with its own sample.

    Attributes:
        service: the service.
        state: what it says of itself.
        sent: whether it has a sample, which was sent.
        answer: the answer's JSON value, or the text in place of one that is not JSON.
        error: why it failed; empty when it did not.
        test_page: where to try it in a browser, if it has such a page.
    """

    service: Endpoint
    state: str
    sent: bool = False
    answer: object = None
    error: str = ""
    test_page: str = ""


def reads_digits(stack: StackFile, service: str) -> bool:
    """Whether a service runs the sample's scripts, by the stack's settings."""
    scripts = stack.scripts_of(service)
    folder = (stack.project / SAMPLE_SCRIPTS).resolve()
    return bool(scripts) and all((stack.project / script).resolve().parent == folder for script in scripts)


def try_out(service: Endpoint) -> Trial:
    """Ask a service for its state and, where its description has a sample, send that. Errors become part of the result.

    An answer that is not JSON is one, too: scripts may return what they like.
    """
    state = service.state()
    if state != HEALTHY:
        log = f"python -m scoring service logs {service.name}"
        return Trial(
            service, state, error=f"{service.name} does not say that it is healthy at {service.scoring_uri}: {log}"
        )
    sent, answer = False, None
    try:
        sample = service.sample_input()
        if sent := sample is not None:
            answer = service.run(json.dumps(sample))
    except ServiceError as error:
        if error.status is None or not 200 <= error.status < 300:
            return Trial(service, state, sent, error=str(error))
        answer = "(not JSON)"
    return Trial(service, state, sent, answer, test_page=service.test_page())


def show(console: Console, trials: Sequence[Trial]) -> None:
    """Print the services, what they answered and their test pages; not the problems."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    rows = {trial.service.name: _row(trial) for trial in trials}
    for title in COLUMNS:
        # Past the terminal's edge rather than without the end of a name or URI.
        whole = max(len(row[title]) for row in rows.values()) if title in WHOLE else None
        table.add_column(title, min_width=whole, overflow="fold")
    for row in rows.values():
        table.add_row(*row.values())
    console.print(table, crop=False)
    console.print()
    for trial in trials:
        if trial.test_page:
            console.print(Text(f"test page: {trial.test_page} ({trial.service.name})"), soft_wrap=True)
    for trial in trials:
        if not trial.error:
            console.print(Text(f"{trial.service.name} {_told(trial)}.", style="green"), soft_wrap=True)


def _told(trial: Trial) -> str:
    if trial.sent:
        return "answers its own sample"
    return "is healthy; it has no sample to send: put a sample_input.json beside its script"


def _row(trial: Trial) -> dict[str, Text]:
    """The cells of a service's line, by column."""
    service = trial.service
    state = Text(trial.state, style="green" if trial.state == HEALTHY else "red")
    texts = map(Text, (service.name, service.style, service.image))
    return dict(zip(COLUMNS, [*texts, state, Text(service.scoring_uri), _answer(trial)], strict=True))


def _answer(trial: Trial) -> Text:
    if trial.error:
        return Text("failed", style="red")
    text = json.dumps(trial.answer, ensure_ascii=False) if trial.sent else "-"
    return Text(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
