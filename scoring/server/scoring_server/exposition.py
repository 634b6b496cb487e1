"""Prometheus' text format, version 0.0.4; see prometheus.io, "Exposition formats"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from .metrics import Histogram

CONTENT_TYPE = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"

Labels = Mapping[str, str]


def counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    """The lines of a counter."""
    return _family(name, "counter", text, ((name, labels, value) for labels, value in samples))


def gauge(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    """The lines of a gauge."""
    return _family(name, "gauge", text, ((name, labels, value) for labels, value in samples))


def histogram(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Iterator[str]:
    """The lines of a histogram."""
    return _family(
        name, "histogram", text, (line for labels, sample in samples for line in _buckets(name, labels, sample))
    )


def _buckets(name: str, labels: Labels, sample: Histogram) -> Iterator[tuple[str, Labels, float]]:
    totals = list(accumulate(sample.counts))
    for bound, total in zip((*map(_number, sample.bounds), "+Inf"), totals, strict=True):
        yield f"{name}_bucket", {**labels, "le": bound}, total
    yield f"{name}_sum", labels, sample.sum
    yield f"{name}_count", labels, totals[-1]


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, Labels, float]]) -> Iterator[str]:
    lines = [f"{sample}{_labels(labels)} {_number(value)}\n" for sample, labels, value in samples]
    if lines:
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        yield from lines


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
