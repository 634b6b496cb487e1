"""Where the commands print: colours on a terminal alone."""

import os
from collections.abc import Mapping

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 200
"""A line a row is wanted, by readers and by grep, where no terminal says how wide it is."""


def console(environ: Mapping[str, str] = os.environ) -> Console:
    """Return standard output; rich honours NO_COLOR and COLUMNS."""
    made = Console(highlight=False, markup=False)
    if not made.is_terminal and "COLUMNS" not in environ:
        made.width = WIDTH_WITHOUT_TERMINAL
    return made
