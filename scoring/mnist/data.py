"""The sample's digits and the one split into training and held-out digits that training and report share.

The split does not depend on training's seed: whatever model is deployed, it has never seen a held-out digit.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIGITS = Path(__file__).parent / "digits.npz"
HELD_OUT_COUNT = 1000
SPLIT_SEED = 42

Pixels = NDArray[np.float64]
Labels = NDArray[np.int64]


class DigitsError(ValueError):
    """A file of digits that cannot be read or does not hold digits."""


def load(path: Path = DIGITS) -> tuple[Pixels, Labels]:
    """Read digits from an .npz file with ``X`` (uint8 [n, 784], ink 0-255) and ``y`` (labels [n], 0-9).

    Returns:
        The pixels as float [n, 784], scaled to 0..1, and the labels as int [n].

    Raises:
        DigitsError: there is no such file, or it holds anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            pixels, labels = archive["X"], archive["y"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DigitsError(f"no digits in {path}: {error}; give an .npz file with X and y") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 784 or labels.shape != (len(pixels),):
        raise DigitsError(
            f"{path} holds X {pixels.dtype} {list(pixels.shape)} and y {list(labels.shape)}; "
            "give X as uint8 [n, 784] and y as [n]"
        )
    return pixels / 255.0, labels.astype(np.int64)


def training() -> tuple[Pixels, Labels]:
    """The 9,000 digits to train on: pixels float [9000, 784] in 0..1, labels int [9000]."""
    return _split()[0]


def held_out() -> tuple[Pixels, Labels]:
    """The 1,000 digits that are never trained on: pixels float [1000, 784] in 0..1, labels int [1000]."""
    return _split()[1]


def _split() -> tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]:
    pixels, labels = load()
    # RandomState's stream is frozen, unlike default_rng's: the same split under every numpy. scikit-learn's
    # train_test_split would do the same and take seconds to import, which the closing report can do without.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
    train, test = order[HELD_OUT_COUNT:], order[:HELD_OUT_COUNT]
    return (pixels[train], labels[train]), (pixels[test], labels[test])


def parse_seed(text: str) -> int:
    """Read a seed from the command line: a whole number that numpy's RandomState takes.

    Raises:
        argparse.ArgumentTypeError: it is not.
    """
    if not (text.isascii() and text.isdigit() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: give a whole number from 0 to {2**32 - 1}")
    return int(text)
