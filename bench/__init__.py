"""Measurements of deployments, as ratios against something run beside them."""


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
