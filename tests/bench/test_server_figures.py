"""From rates to ratios and the table."""

import pytest

from bench.server.figures import Setting, best, middle, ratios, table, tails
from bench.server.load import Rate


def rates(*requests: float) -> list[Rate]:
    return [Rate(number, 8000 / number, 16000 / number) for number in requests]


SEEN = {
    Setting("slow", 1, 8): rates(1000, 500, 900),
    Setting("quick", 1, 8): rates(4000, 3000, 1800),
    Setting("even", 1, 8): rates(2900, 2900, 2900),
    Setting("slow", 5, 32): rates(100, 100, 100),
}


def test_middle_takes_each_median() -> None:
    assert middle([Rate(1, 30, 7), Rate(3, 10, 9), Rate(2, 20, 8)]) == Rate(2, 20, 8)


def test_ratios_compare_within_a_round() -> None:
    assert ratios(SEEN, "quick", "slow", rows=1, connections=8) == [4.0, 6.0, 2.0]


def test_best_is_by_median_and_not_by_the_best_round() -> None:
    assert best(SEEN, ["slow", "quick", "even"], rows=1, connections=8) == "quick"
    assert best(SEEN | {Setting("quick", 1, 8): rates(9000, 2000, 1800)}, ["quick", "even"], rows=1, connections=8) == (
        "even"
    )


def test_tails_are_compared_with_the_quickest_at_each_size() -> None:
    seen = SEEN | {Setting("quick", 5, 32): rates(50), Setting("even", 5, 32): rates(80)}
    assert tails(seen, "quick", ["slow", "even"]) == [pytest.approx(2900 / 3000), 2.0]


def test_table_has_a_line_for_each_setting_servers_together() -> None:
    lines = table(SEEN)
    assert [line.split() for line in lines[1:]] == [
        ["1", "8", "slow", "900", "8.89", "17.78"],
        ["1", "8", "quick", "3000", "2.67", "5.33"],
        ["1", "8", "even", "2900", "2.76", "5.52"],
        ["5", "32", "slow", "100", "80.00", "160.00"],
    ]
    assert len({len(line) for line in lines}) == 1
