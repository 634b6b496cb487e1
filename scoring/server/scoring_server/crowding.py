"""Connections that there is no place for: counted, and told of now and then."""

from __future__ import annotations

import logging

from .logs import LOGGER
from .metrics import Metrics

logger = logging.getLogger(LOGGER)

_QUIET_S = 10.0


class Crowding:
    """Counts refused connections. A warning tells of the first, and of more once in 10 seconds at most."""

    def __init__(self, metrics: Metrics, limit: int) -> None:
        self._metrics = metrics
        self._limit = limit
        self._quiet_until = 0.0
        self._told = 0

    def refused(self, now: float) -> None:
        """Count one more, at `now` in seconds of a clock that never goes back."""
        self._metrics.refused_connections += 1
        if now < self._quiet_until:
            return
        count = self._metrics.refused_connections
        logger.warning(
            "Connections are refused, %d since that was last said: SCORING_MAX_CONNECTIONS allows %d at the same time.",
            count - self._told,
            self._limit,
        )
        self._told = count
        self._quiet_until = now + _QUIET_S
