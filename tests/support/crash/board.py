"""Where a process is to die and what it passed, in a file that outlives it.

A file in memory shared by two processes: reading and writing it is no system call, and what was
written before a SIGKILL is there after it.
"""

import mmap
import os
import signal
from pathlib import Path

from support.crash.points import POINTS

__all__ = ["Board"]

_NAMES = tuple(POINTS)
_PLACES = {name: place for place, name in enumerate(_NAMES)}
_WORD = 8
_ARMED, _LEFT, _PASSED = 0, 1, 2  # the words of the file: one, one, one a point


class Board:
    """One process's board. armed: where it dies, at which time of passing there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = _WORD * (_PASSED + len(_NAMES))
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)
        self._words = memoryview(self._memory).cast("q")

    def arm(self, point: str, time: int = 1) -> None:
        """The process dies when it comes to this point for the `time`th time."""
        self._words[_LEFT] = time
        self._words[_ARMED] = _PLACES[point] + 1

    def disarm(self) -> None:
        self._words[_ARMED] = 0

    def passed(self) -> dict[str, int]:
        """How often each point was passed, those that never were left out."""
        counts = self._words[_PASSED:].tolist()
        return {name: count for name, count in zip(_NAMES, counts, strict=True) if count}

    def come_to(self, point: str) -> None:
        """The process is at this point: it goes on, or dies here."""
        place = _PLACES[point]
        self._words[_PASSED + place] += 1
        if self._words[_ARMED] != place + 1:
            return
        self._words[_LEFT] -= 1
        if self._words[_LEFT] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
