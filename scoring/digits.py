"""Digits drawn with characters: two rows of pixels make one line, so that 28 x 28 pixels take 28 x 14 cells."""

from collections.abc import Sequence

import numpy as np

from scoring.mnist.data import Pixels

SIDE = 28
GAP = 2
# Keyed by (ink in the upper pixel, ink in the lower one).
HALF_BLOCKS = {(False, False): " ", (True, False): "\u2580", (False, True): "\u2584", (True, True): "\u2588"}
# ASCII has no half blocks: the mean ink of the two pixels, from none to full.
RAMP = " .:+#"


def draw(pixels: Pixels, blocks: bool = True) -> list[str]:
    """Draw one digit, float [784] in 0..1, as 14 lines of 28 characters.

    Args:
        pixels: 28 rows of 28 pixels.
        blocks: with Unicode's half blocks, one for each pixel of at least half ink; without, in ASCII.
    """
    pairs = pixels.reshape(SIDE // 2, 2, SIDE)
    upper, lower = pairs[:, 0, :], pairs[:, 1, :]
    if blocks:
        return [
            "".join(HALF_BLOCKS[above, below] for above, below in zip(*rows, strict=True))
            for rows in zip((upper >= 0.5).tolist(), (lower >= 0.5).tolist(), strict=True)
        ]
    levels = np.rint((upper + lower) / 2 * (len(RAMP) - 1)).astype(int)
    return ["".join(RAMP[level] for level in row) for row in levels.tolist()]


def side_by_side(digits: Sequence[Pixels], captions: Sequence[str], width: int, blocks: bool = True) -> list[str]:
    """Lines that show digits beside each other, each above its caption, as many in a row as ``width`` columns hold.

    A width below one digit's 28 columns still gets one digit a row.
    """
    drawings = [[*draw(pixels, blocks), caption.center(SIDE)] for pixels, caption in zip(digits, captions, strict=True)]
    in_row = max(1, (width + GAP) // (SIDE + GAP))
    return [
        (" " * GAP).join(line).rstrip()
        for start in range(0, len(drawings), in_row)
        for line in zip(*drawings[start : start + in_row], strict=True)
    ]
