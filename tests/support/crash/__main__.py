"""`python -m support.crash`: the whole matrix, then random kills; prints the books and the seed."""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections import Counter

from support.crash.matrix import Examiner, Result
from support.crash.points import POINTS, SCENES
from support.crash.town import a_town

__all__ = ["main"]


def main() -> int:
    """The exit code: 0 if nothing was wrong."""
    asked = _arguments()
    # Told to end, or started in the background: what it began is ended too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    results = asyncio.run(_run(asked))
    took = time.monotonic() - started
    killed = sum(result.killed for result in results)
    faults = [fault for result in results for fault in result.faults]
    dead = [point for result in results for point in result.dead]
    ends: Counter[str] = Counter()
    for result in results:
        if result.audit is not None:
            ends.update(result.audit.ends)
    accepted = sum(result.audit.accepted for result in results if result.audit)
    waiting = sum(result.audit.waiting for result in results if result.audit)
    parts = " + ".join(f"{count} {name}" for name, count in sorted(ends.items()))
    lines = [
        f"{killed} kills in {took:.0f} s, seed {asked.seed}",
        f"{accepted} accepted = {parts} + {waiting} waiting",
        f"{len(dead)} points not reached, {len(faults)} faults",
        *(f"  not reached: {point}" for point in dead),
        *(f"  {fault}" for fault in faults),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults or dead else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crash-test", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--random", type=int, default=200, help="kills at random; 0: none")
    parser.add_argument("--matrix", choices=("yes", "no"), default="yes", help="kill at each point")
    parser.add_argument("--only", default="", help="scenes, or parts of names: a,b")
    parser.add_argument("--towns", type=int, default=2, help="installations side by side")
    parser.add_argument("--at-once", type=int, default=1, help="points between two checks")
    parser.add_argument("--patience", type=float, default=1.0, help="times longer: a busy machine")
    return parser.parse_args()


async def _run(asked: argparse.Namespace) -> list[Result]:
    words = asked.only.split(",")
    points = [p for p, scene in POINTS.items() if scene in words or any(w in p for w in words)]
    shares = _shares(points if asked.matrix == "yes" else [], asked)
    matrix = await asyncio.gather(
        *(_matrix(f"town{n} ", points, asked) for n, points in enumerate(shares, 1) if points)
    )
    chance = [await _chance(asked)] if asked.random else []
    return [*matrix, *chance]


def _shares(points: list[str], asked: argparse.Namespace) -> list[list[str]]:
    """The points of each town: whole scenes, the days that go by last."""
    shares: list[list[str]] = [[] for _ in range(asked.towns)]
    for scene in SCENES:
        mine = [point for point in points if POINTS[point] == scene]
        if mine:
            min(shares, key=len).extend(mine)
    return shares


async def _matrix(name: str, points: list[str], asked: argparse.Namespace) -> Result:
    async with a_town() as town:
        examiner = Examiner(town, name.replace(" ", "-"), patience=asked.patience)
        await examiner.kill_at(points, at_once=asked.at_once)
        return await examiner.end()


async def _chance(asked: argparse.Namespace) -> Result:
    async with a_town(workers=2) as town:
        examiner = Examiner(town, "random-", patience=asked.patience)
        await examiner.kill_at_random(asked.random, asked.seed)
        return await examiner.end()


if __name__ == "__main__":
    sys.exit(main())
