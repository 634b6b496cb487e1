from __future__ import annotations

import logging

import pytest
from scoring_server.crowding import Crowding
from scoring_server.metrics import Metrics


def test_each_is_counted_and_a_warning_in_ten_seconds_tells_of_them(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    crowding = Crowding(metrics, 7)
    with caplog.at_level(logging.WARNING):
        for now in (100.0, 100.1, 109.9, 110.0, 110.1, 500.0):
            crowding.refused(now)
    assert metrics.refused_connections == 6
    counts = [message.split("refused, ")[1].split(" ")[0] for message in caplog.messages]
    assert counts == ["1", "3", "2"]
    assert all("SCORING_MAX_CONNECTIONS allows 7 " in message for message in caplog.messages)
