import numpy as np
import pytest

from scoring.digits import draw, side_by_side
from scoring.mnist.data import load

THREE = [
    "",
    "",
    "             ▄▄▄▄▄▄▄",
    "          █▀▀▀▀▀  ▀▀█▄",
    "          ▀       ▄▄█",
    "             ▄▄█▀▀▀",
    "           ██",
    "           ▀█▄",
    "             ▀█▄",
    "               █",
    "      ▄       ▄█",
    "      █▄   ▄▄█▀",
    "       ▀▀▀▀▀",
    "",
]


def test_a_known_digit_is_drawn_as_known_rows() -> None:
    pixels, labels = load()
    assert labels[0] == 3
    assert [row.rstrip() for row in draw(pixels[0])] == THREE


def test_every_pair_of_pixels_has_its_block() -> None:
    pixels = np.zeros((28, 28))
    pixels[0, 1] = pixels[1, 2] = pixels[0:2, 3] = 0.5
    pixels[0:2, 4] = 0.49
    first, *others = draw(pixels.reshape(784))
    assert first == " ▀▄█" + " " * 24
    assert others == [" " * 28] * 13


@pytest.mark.parametrize(
    ("upper", "lower", "expected"), [(0, 0, " "), (0.5, 0, "."), (0, 1, ":"), (1, 0.5, "+"), (1, 1, "#")]
)
def test_ascii_draws_the_mean_of_two_pixels(upper: float, lower: float, expected: str) -> None:
    pixels = np.zeros((28, 28))
    pixels[26, 27], pixels[27, 27] = upper, lower
    rows = draw(pixels.reshape(784), blocks=False)
    assert rows == [" " * 28] * 13 + [" " * 27 + expected]


@pytest.mark.parametrize(
    ("width", "in_row"), [(10, 1), (28, 1), (57, 1), (58, 2), (80, 2), (120, 4), (147, 4), (148, 5), (500, 5)]
)
def test_as_many_digits_in_a_row_as_the_width_holds(width: int, in_row: int) -> None:
    lines = side_by_side([np.ones(784)] * 5, [f"true {number}" for number in range(5)], width)
    captions = lines[14::15]
    assert [caption.split() for caption in captions] == [
        [word for number in range(start, min(start + in_row, 5)) for word in ("true", str(number))]
        for start in range(0, 5, in_row)
    ]
    assert len(lines) == 15 * len(captions)
    assert lines[0] == ("█" * 28 + "  ") * (in_row - 1) + "█" * 28


def test_a_caption_stands_under_the_middle_of_its_digit() -> None:
    lines = side_by_side([np.zeros(784)] * 2, ["true 7", "true 4"], 80)
    assert lines == [""] * 14 + [" " * 11 + "true 7" + " " * 24 + "true 4"]
