"""`make cluster-test`: machines are cut off, killed and frozen under load; the books are checked.

Five machines of network namespaces: a database, three nodes (an API and a worker each), and one
with a simulated LINE, an SMSC, the client and its report endpoint. Needs root and iproute2.

    python bench/cluster.py --minutes 10   # faults by chance; the seed is told
    python bench/cluster.py --quick        # each fault once, in half a minute

It fails if a message that was answered with 200 has no report or two, if one came twice that
`linegate_resends_total` does not count, or if a limit was not kept over all nodes together.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster_load import Load, Verdict, judged
from cluster_world import Cluster, ClusterError, Node, built
from installation import stoppable
from machines import Machine, enter, machines
from rich.console import Console
from rich.table import Table

_NODES = ("one", "two", "three")
_STALLED_AFTER = 90.0  # seconds without a new report
_LEFT = """
SELECT 'queue', name, step::text, count(*), 'due in', min(due_at) - now()
FROM queue JOIN sender ON sender.id = sender_id GROUP BY name, step
UNION ALL
SELECT 'sms_leg', name, step::text, count(*), 'due in', min(due_at) - now()
FROM sms_leg LEFT JOIN sms_route ON sms_route.id = route_id GROUP BY name, step
UNION ALL
SELECT 'track', status::text, '', sum(track.last_id - position), 'look in', min(next_at) - now()
FROM track JOIN bulk_run USING (bulk_id) GROUP BY status
UNION ALL
SELECT 'push', url, '', count(*), 'due in', min(due_at) - now()
FROM push JOIN endpoint ON endpoint.id = endpoint_id GROUP BY url"""
_console = Console(width=110, highlight=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long (0: each fault once) and how hard.

    in_flight: messages that one worker may have claimed. per_second: of the sender FAST.
    lease, resend: seconds that a claim lasts, and that an unknown outcome waits.
    """

    seconds: float
    per_second: float
    in_flight: int
    lease: float
    resend: float

    @property
    def settings(self) -> dict[str, str]:
        """Options of linegate."""
        return {
            "in_flight": str(self.in_flight),
            "lease_for": f"{self.lease}s",
            "resend_unknown_after": f"{self.resend}s",
            "line_timeout": f"{min(10, self.lease - 1)}s",
        }


QUICK = Plan(seconds=0, per_second=25, in_flight=64, lease=5, resend=3)


class Story:
    """Does harm to nodes, tells of it, and counts how often."""

    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self._cluster = cluster
        self._plan = plan
        self._began = time.monotonic()
        self.faults = 0
        self.cleared: list[float] = []

    def tell(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        _console.print(f"{time.monotonic() - self._began:6.1f} s  {text}")

    async def cut(self, name: str, seconds: float) -> None:
        """Pull a node's cable, see when the database lets go of it, and put it in again."""
        node = self._hurt(name, "is cut off")
        node.machine.cut()
        began = time.monotonic()
        gone = await self._until(lambda: self._has_no_session(node), at_most=30)
        self.cleared.append(gone)
        self.tell(f"{name}: the database has ended its sessions after {gone:.1f} s")
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
        node.machine.heal()
        await self._back(name)

    async def lose_database(self, name: str, seconds: float) -> None:
        """A node reaches LINE and its clients, and no database."""
        node = self._hurt(name, "does not reach the database any more")
        node.machine.lose(self._cluster.database)
        await asyncio.sleep(seconds)
        node.machine.find(self._cluster.database)
        await self._back(name)

    async def freeze(self, name: str, seconds: float) -> None:
        """A node stands still, longer than its leases, and goes on."""
        node = self._hurt(name, f"stands still for {seconds:.0f} s")
        node.machine.freeze()
        await asyncio.sleep(seconds)
        node.machine.thaw()
        await self._back(name)

    async def kill(self, name: str, seconds: float) -> None:
        """`kill -9` of a node; it is started again after a while."""
        node = self._hurt(name, "is killed")
        await node.kill()
        await asyncio.sleep(seconds)
        await node.start()
        await self._back(name)

    def _hurt(self, name: str, how: str) -> Node:
        self.faults += 1
        self.tell(f"{name} {how}")
        return self._cluster.nodes[name]

    async def _back(self, name: str) -> None:
        self.tell(f"{name} may work again")
        await self._cluster.until_ready(name)
        self.tell(f"{name} works again")

    async def _has_no_session(self, node: Node) -> bool:
        return await self._cluster.sessions_of(node) == 0

    async def _until(self, check: Callable[[], Awaitable[bool]], at_most: float) -> float:
        began = time.monotonic()
        while not await check():
            if time.monotonic() - began > at_most:
                raise ClusterError(f"not within {at_most} s")
            await asyncio.sleep(0.25)
        return time.monotonic() - began


async def quick_story(story: Story, plan: Plan) -> None:
    """Each fault once; at times two nodes are away at once, and one always works."""

    async def the_others() -> None:
        await asyncio.sleep(1)
        await story.freeze("two", plan.lease + 3)
        await story.kill("three", 1)

    async with asyncio.TaskGroup() as group:
        group.create_task(story.cut("one", 10))
        group.create_task(the_others())


async def long_story(story: Story, plan: Plan, seed: int) -> None:
    """Faults by chance until the time is over; one node always works."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    ends_at = time.monotonic() + plan.seconds

    async def hurt(name: str) -> None:
        await asyncio.sleep(chance.uniform(0, 10))
        while time.monotonic() < ends_at:
            deed = chance.choice([story.cut, story.lose_database, story.freeze, story.kill])
            await deed(name, chance.uniform(1, 2.5 * plan.lease))
            await asyncio.sleep(chance.uniform(1, 15))

    async with asyncio.TaskGroup() as group:
        for name in _NODES[:2]:
            group.create_task(hurt(name))


async def run(cluster: Cluster, plan: Plan, tell_story: Callable[[Story], Awaitable[None]]) -> bool:
    """Load, faults, and the books; whether all is well."""
    load, story = Load(cluster, plan.per_second, max(20, 0.8 * plan.seconds)), Story(cluster, plan)
    stopping, looking = asyncio.Event(), asyncio.create_task(_look(cluster))
    story.tell("everything works")
    sending = asyncio.create_task(load.run(stopping))
    story.tell("the client sends")
    await tell_story(story)
    stopping.set()
    await sending
    story.tell("the client has stopped sending")
    await _all_reported(cluster, len(load.sent))
    story.tell("no more reports come")
    looking.cancel()
    await cluster.look()
    verdicts = await judged(cluster, load, story.faults * plan.in_flight)
    _show(verdicts)
    well = not any(verdict.wrong for verdict in verdicts)
    if not well:
        for row in await cluster.pool.fetch(_LEFT):
            story.tell(" ".join(map(str, row.values())))
    return well


async def _look(cluster: Cluster) -> None:
    while True:
        await cluster.look()
        await asyncio.sleep(0.5)


async def _all_reported(cluster: Cluster, expected: int) -> None:
    """Wait for the last report, or until none has come for long."""
    subscriber = cluster.line.app.subscriber
    seen, seen_at = -1, time.monotonic()
    while time.monotonic() - seen_at < _STALLED_AFTER:
        told = subscriber.reports - subscriber.duplicates
        if told != seen:
            seen, seen_at = told, time.monotonic()
        if told >= expected:
            return
        await asyncio.sleep(0.2)


def _show(verdicts: list[Verdict]) -> None:
    table = Table("", "", "", show_header=False)
    for verdict in verdicts:
        table.add_row(*verdict)
    _console.print(table)


async def scene(made: Mapping[str, Machine], folder: Path, options: argparse.Namespace) -> bool:
    """Build the cluster and run."""
    plan = QUICK if options.quick else _long_plan(options)
    async with built(made, folder, plan.settings) as cluster:

        async def tell_story(story: Story) -> None:
            if options.quick:
                await quick_story(story, plan)
            else:
                await long_story(story, plan, options.seed)

        return await run(cluster, plan, tell_story)


def _long_plan(options: argparse.Namespace) -> Plan:
    return Plan(options.minutes * 60, options.per_second, in_flight=256, lease=15, resend=20)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cut off, kill and freeze machines under load.")
    parser.add_argument("--quick", action="store_true", help="each fault once")
    parser.add_argument("--minutes", type=float, default=5, help="how long faults go on (5)")
    parser.add_argument("--per-second", type=float, default=100, help="messages a second (100)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the faults")
    return parser.parse_args()


def main() -> int:
    """Run and print; the exit code is 0 only if the books are right."""
    options = _options()
    if not options.quick:
        _console.print(f"--minutes {options.minutes} --seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="linegate-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the database runs as another user, who must be able to pass
        with machines(("db", *_NODES, "outside")) as made:
            enter(made["outside"])
            try:
                well = asyncio.run(stoppable(scene(made, folder, options)))
            except (ClusterError, asyncio.CancelledError) as error:
                _console.print(f"FAILED: {error}", markup=False)
                well = False
            if not well:
                _keep_logs(folder)
    return 0 if well else 1


def _keep_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        _console.print("\n".join([f"--- the end of {log.name}", *lines]), markup=False)


if __name__ == "__main__":
    sys.exit(main())
