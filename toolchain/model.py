"""The model of a stack: the sample's is trained when it is not there."""

from __future__ import annotations

import os
from pathlib import Path

from toolchain.console import Console
from toolchain.machine import Machine, run
from toolchain.step import StepError, Unavailable

PART = "model"
MODEL = Path("scoring") / "mnist" / "outputs" / "sklearn_mnist_model.pkl"
TRAIN = "scoring.mnist.train"
TRAIN_SECONDS = 900.0


def ensure(machine: Machine, console: Console, given: str = str(MODEL)) -> None:
    """Train the sample model unless it is there; a model of the user's is theirs to make.

    Args:
        machine: this machine.
        console: where it is told.
        given: the path of the model, from the project's folder; empty where it is not known.

    Raises:
        StepError: the training fails.
    """
    if not given:
        return
    layout = machine.layout
    if machine.exists(layout.project / given):
        console.found(PART, given)
        return
    if os.path.normpath(layout.project / given) != str(layout.project / MODEL):
        console.note(PART, f"there is no {given}, which the stack's modelPath names")
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
