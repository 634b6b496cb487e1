"""What a test has done over and over while something else happens."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 0.02


@contextmanager
def repeating(work: Callable[[], None], threads: int = 1) -> Iterator[None]:
    """Call `work` again and again meanwhile, in so many threads."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(PAUSE_SECONDS):
            work()

    running = [threading.Thread(target=repeat) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in running:
            thread.join()
