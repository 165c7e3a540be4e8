"""Kills at each point in turn, and at random; gives what was wrong afterwards."""

import asyncio
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from support.crash.books import Audit, audit, faults_of
from support.crash.points import POINTS
from support.crash.scenes import BY_NAME
from support.crash.town import Town
from support.crash.visit import Numbers, Visit

__all__ = ["Examiner", "Result"]

_REACHED_WITHIN = 20.0
_ENDS_WITHIN = 90.0
_SIDE_BY_SIDE = 3
_UNTIL_CHECKED = 12
# Scenes that everything else can go on beside.
_BESIDE = (
    "sending",
    "scheduling",
    "steering",
    "importing",
    "texting",
    "refusing",
    "relaying",
    "pulling",
)


@dataclass(slots=True)
class Result:
    """killed: how often it was done; dead: points that nobody came to; faults: in words."""

    killed: int = 0
    dead: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    audit: Audit | None = None


class Examiner:
    """Kills in one town and checks its books.

    patience: how many times longer than on an idle machine everything may take.
    """

    def __init__(self, town: Town, name: str = "", *, patience: float = 1.0) -> None:
        self.town = town
        self.result = Result()
        self._name = name
        self._patience = patience
        self._numbers = Numbers()
        self._count = count(1)
        self._visits: list[Visit] = []
        self._open: list[tuple[Visit, int]] = []

    async def kill_at(self, points: Sequence[str], *, at_once: int = 1) -> None:
        """Kill at each point; books are checked after every `at_once` of them."""
        for number, point in enumerate(points, 1):
            await self._kill_at(point)
            if number % at_once == 0 or number == len(points):
                await self._close()

    async def kill_at_random(self, kills: int, seed: int) -> None:
        """Kill so often: at a random point, or a random process at a random time.

        A few scenes go on side by side; every dozen of them all must have ended.
        """
        dice = random.Random(seed)
        before = self.town.kills
        acting: deque[asyncio.Task[None]] = deque()
        while (done := self.town.kills - before) < kills:
            scene = dice.choice(_BESIDE)
            acting.append(asyncio.create_task(self._act(scene)))
            await self._strike(dice, scene)
            if len(acting) > _SIDE_BY_SIDE:
                await acting.popleft()
            if len(self._open) >= _UNTIL_CHECKED:
                await asyncio.gather(*acting)
                acting.clear()
                await self._close()
                self._say(f"{done} of {kills} at random")
        await asyncio.gather(*acting)
        await self._close()
        self.result.killed += self.town.kills - before

    async def end(self) -> Result:
        """The result, with the books of the whole town."""
        self.result.audit = await audit(self.town, self._visits)
        self.result.faults += self.result.audit.faults
        return self.result

    async def _kill_at(self, point: str) -> None:
        started = time.monotonic()
        self.town.arm(point)
        before = self.town.kills
        await self._act(POINTS[point])
        fell = await self.town.fell(_REACHED_WITHIN * self._patience)
        if fell:
            self.result.killed += self.town.kills - before
        else:
            self.result.dead.append(point)
        self._say(f"{point}: {'' if fell else 'NOT REACHED '}{time.monotonic() - started:.1f} s")

    async def _act(self, scene: str) -> None:
        visit = Visit(self.town, f"{self._name}{scene}{next(self._count)}", self._numbers)
        visit.patience = self._patience
        visit.submitted_before.update(self.town.outside.submitted)
        self._visits.append(visit)
        self._open.append((visit, self.town.kills))
        try:
            await BY_NAME[scene](visit)
        except AssertionError as error:
            self.result.faults.append(f"{visit.name} could not go on: {error}")
            self._say(f"  FAULT {self.result.faults[-1]}")

    async def _strike(self, dice: random.Random, scene: str) -> None:
        """One kill, in one of three ways."""
        way = dice.random()
        if way < 0.5:
            near = [point for point, of in POINTS.items() if of in (scene, "sending")]
            self.town.arm(dice.choice(near), dice.randint(1, 3))
            await self.town.fell(2.0 + self._patience)
            return
        await asyncio.sleep(dice.uniform(0.0, 1.5))
        if way > 0.9:
            await self.town.kill_database()
            return
        names = [name for name, role in self.town.roles.items() if role.arguments]
        role = self.town.roles[dice.choice(names)]
        role.fallen.clear()
        role.signal(signal.SIGKILL)
        await self.town.fell(2.0 + self._patience)

    async def _close(self) -> None:
        """Wait until everything that is open has ended, and check its books."""
        open_, self._open = self._open, []
        for visit, kills_before in open_:
            try:
                await visit.until_ended(_ENDS_WITHIN * self._patience)
            except AssertionError as error:
                self.result.faults.append(f"{visit.name} did not end: {error}")
            kills = self.town.kills - kills_before
            for fault in await faults_of(visit, kills):
                self.result.faults.append(fault)
                self._say(f"  FAULT {fault}")

    def _say(self, words: str) -> None:
        sys.stderr.write(f"{self._name}{words}\n")
        sys.stderr.flush()
