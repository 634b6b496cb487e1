from pathlib import Path

import numpy as np
import pytest

from scoring.mnist.data import DigitsError, held_out, load, training


def test_the_shipped_digits_are_all_there() -> None:
    pixels, labels = load()
    assert pixels.shape == (10000, 784)
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    assert np.bincount(labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]


def test_no_held_out_digit_is_trained_on() -> None:
    trained, kept = ({row.tobytes() for row in pixels} for pixels, _ in (training(), held_out()))
    assert (len(trained), len(kept), len(trained & kept)) == (9000, 1000, 0)


def test_the_split_is_the_same_every_time() -> None:
    pixels, labels = held_out()
    again, labels_again = held_out()
    assert np.array_equal(pixels, again)
    assert np.array_equal(labels, labels_again)
    assert labels[:6].tolist() == [6, 1, 4, 8, 9, 8]


def archive(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def test_digits_of_ones_own(tmp_path: Path) -> None:
    path = archive(tmp_path / "own.npz", X=np.full((2, 784), 51, np.uint8), y=np.array([3, 4]))
    pixels, labels = load(path)
    assert np.unique(pixels).tolist() == [0.2]
    assert labels.tolist() == [3, 4]


def test_a_missing_or_foreign_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match=r"no digits in .*absent.npz: .*No such file.*give an .npz file with X and y"):
        load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DigitsError, match=r"no digits in .*text\.npz"):
        load(tmp_path / "text.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((2, 784), np.uint8)}, "y is not a file in the archive"),
        ({"X": np.zeros((2, 784)), "y": np.zeros(2)}, r"X float64 \[2, 784\] and y \[2\]"),
        ({"X": np.zeros((2, 28, 28), np.uint8), "y": np.zeros(2)}, r"X uint8 \[2, 28, 28\]"),
        ({"X": np.zeros((2, 783), np.uint8), "y": np.zeros(2)}, r"X uint8 \[2, 783\]"),
        ({"X": np.zeros((2, 784), np.uint8), "y": np.zeros(3)}, r"y \[3\]"),
    ],
)
def test_arrays_that_are_no_digits_are_an_error(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(DigitsError, match=message):
        load(archive(tmp_path / "other.npz", **arrays))
