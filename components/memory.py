"""How the program's memory is looked after while it runs."""

import gc

ALLOCATIONS = 50_000
"""New objects between two collections; Python's own 700 suits programs with less in memory."""


def collect_seldom() -> None:
    """Let Python look for garbage seldom, and never in what is there already: the modules.

    Pulumi's SDK touches every pending output whenever one is known, which makes objects enough for a collection each
    time: with 100 services, four tenths of the program's time went into collections that found nothing.
    """
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 100)
