"""Whether a worker's process still lives."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from .processes import WorkerProcess


class Life:
    """Tells the end of a worker's process, where the kernel can (from 5.3 on)."""

    def __init__(self, process: WorkerProcess, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        self.over = False
        self._process = process
        self._loop = loop
        self._on_end = on_end
        self._fd: int | None = None

    def watch(self) -> None:
        """Begin to watch, or go over from the template to the worker that it has forked."""
        self.stop()
        try:
            self._fd = self._process.open_life()
        except ProcessLookupError:
            self._end()
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._end)

    def stop(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _end(self) -> None:
        self.stop()
        self.over = True
        self._on_end()
