"""How a worker of `linegate up` tells the process that serves /health/ready how it is doing.

A small file for each worker, beside their metrics: written every two seconds, removed when the
worker ends. One that is old belongs to a worker that hangs.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from linegate.clock import Clock
from linegate.supervisor import LoopHealth, failing_loops

__all__ = ["Heartbeat", "Workers"]

_OLD_AFTER = timedelta(seconds=15)


class _Beat(msgspec.Struct):
    """What the file says: when it was written and which loops do not work."""

    at: datetime
    failing: list[str]


class Heartbeat:
    """Loop: writes this worker's file."""

    name = "heartbeat"
    interval = timedelta(seconds=2)

    def __init__(self, file: Path, health: Callable[[], Sequence[LoopHealth]], clock: Clock):
        """Write what `health` says to `file`."""
        self._file = file
        self._health = health
        self._clock = clock

    async def run_once(self) -> int:
        """Write; gives 0, as there is never more to do at once."""
        self.tell()
        return 0

    def tell(self) -> None:
        """Write the file, whole or not at all."""
        beat = _Beat(self._clock.now(), failing_loops(self._health()))
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(beat))
        fresh.replace(self._file)


class Workers:
    """What the workers of one `up` have told."""

    def __init__(self, folder: Path, count: int, clock: Clock) -> None:
        """Look into `folder` for workers 1 to `count`."""
        self._files = {f"worker {at}": folder / f"worker-{at}.json" for at in range(1, count + 1)}
        self._clock = clock

    def file_of(self, name: str) -> Path:
        """Where this worker writes."""
        return self._files[name]

    def forget(self, name: str) -> None:
        """The worker has ended."""
        self._files[name].unlink(missing_ok=True)

    def failing(self) -> list[str]:
        """Workers that do not run or hang, and their loops that fail, in words."""
        now = self._clock.now()
        return [problem for name in self._files for problem in self._problems(name, now)]

    def _problems(self, name: str, now: datetime) -> list[str]:
        try:
            beat = msgspec.json.decode(self._files[name].read_bytes(), type=_Beat)
        except FileNotFoundError:
            return [f"{name} is not running"]
        if now - beat.at > _OLD_AFTER:
            return [f"{name} does not answer"]
        return [f"{name}: {loop}" for loop in beat.failing]
