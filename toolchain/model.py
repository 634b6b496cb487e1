"""The sample model: trained when it is not there."""

from __future__ import annotations

from pathlib import Path

from toolchain.console import Console
from toolchain.machine import Machine, run
from toolchain.step import StepError, Unavailable

PART = "model"
MODEL = Path("scoring") / "mnist" / "outputs" / "sklearn_mnist_model.pkl"
TRAIN = "scoring.mnist.train"
TRAIN_SECONDS = 900.0


def ensure(machine: Machine, console: Console) -> None:
    """Train the sample model unless it is there.

    Raises:
        StepError: the training fails.
    """
    layout = machine.layout
    if machine.exists(layout.project / MODEL):
        console.found(PART, str(MODEL))
        return
    try:
        with console.activity(PART, "training the sample"):
            output = run(
                [layout.python, "-m", TRAIN],
                environ=machine.environ,
                directory=layout.project,
                timeout=TRAIN_SECONDS,
            )
    except Unavailable as error:
        attempts = [(f"python -m {TRAIN}", str(error))]
        raise StepError("the sample model", attempts, f"See what it says: {layout.python} -m {TRAIN}") from None
    console.made(PART, f"{MODEL}, {next(iter(output.splitlines()), '')}")
