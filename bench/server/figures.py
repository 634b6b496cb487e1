"""From the rates of all rounds to the table and the ratios: pure functions."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from bench.server.load import Rate


class Setting(NamedTuple):
    """What one run of the load was: a server's name, rows in a request, connections at once."""

    server: str
    rows: int
    connections: int


Seen = Mapping[Setting, Sequence[Rate]]
"""The rates of each setting, one a round, in order."""


def middle(rates: Sequence[Rate]) -> Rate:
    """Return the medians of the rounds."""
    return Rate(*(median(getattr(rate, name) for rate in rates) for name in ("requests", "p50", "p99")))


def ratios(seen: Seen, one: str, other: str, *, rows: int, connections: int) -> list[float]:
    """Return how many times the requests of `other` a server answered, round by round."""
    ones, others = seen[Setting(one, rows, connections)], seen[Setting(other, rows, connections)]
    return [mine.requests / theirs.requests for mine, theirs in zip(ones, others, strict=True)]


def best(seen: Seen, servers: Sequence[str], *, rows: int, connections: int) -> str:
    """Return the one of `servers` that answered most."""
    return max(servers, key=lambda name: middle(seen[Setting(name, rows, connections)]).requests)


def tails(seen: Seen, one: str, others: Sequence[str]) -> list[float]:
    """Return a server's p99 in times of the best of `others`', for each size that was measured, medians compared.

    The best is the one with the most requests at that size.
    """
    found = []
    for _, rows, connections in (setting for setting in seen if setting.server == one):
        other = Setting(best(seen, others, rows=rows, connections=connections), rows, connections)
        found.append(middle(seen[Setting(one, rows, connections)]).p99 / middle(seen[other]).p99)
    return found


def table(seen: Seen) -> list[str]:
    """Return a line for each setting, the servers under one another."""
    lines = [f"{'rows':>4} {'connections':>11}  {'server':<20} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}"]
    for setting in sorted(seen, key=lambda setting: setting[1:]):
        rate = middle(seen[setting])
        lines.append(
            f"{setting.rows:>4} {setting.connections:>11}  {setting.server:<20} "
            f"{rate.requests:>10.0f} {rate.p50:>8.2f} {rate.p99:>8.2f}"
        )
    return lines
