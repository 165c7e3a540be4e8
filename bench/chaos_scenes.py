"""The faults, each a block that lasts as long as the fault; it may leave notes for the table."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle

from chaos_outside import NameServer
from chaos_site import CROWD, STEADY, TROUBLED, Site
from chaos_watch import percentile
from installation import command
from load import numbers, refused_numbers
from processes import snapshot
from waiting_reports import WaitingReports, make_endpoints

__all__ = ["SCENES", "Notes", "Scene"]

Notes = list[str]
Fault = Callable[[Site, Notes], AbstractAsyncContextManager[None]]

_BURST = 2000
_LINE_WAITS = 2.0  # Source: LINE gives a webhook two seconds (FACTS A3.3)
_STORM_CALLS = 64  # at once
_STORM_EVENTS = 100  # in a call
_PAYS = ("api", "postgres")
_DEAD_NAMES, _FAILING_NAMES = 60, 20
_CROWD_ENDPOINTS = 100
_LONGEST_REST = 75  # seconds: an endpoint in doubt is asked once a minute


@dataclass(frozen=True, slots=True)
class Scene:
    """A fault by name. spares: the steady sender must not notice it at LINE.

    own_names: it needs a namespace of its own, where we are the name server.
    """

    name: str
    means: str
    fault: Fault
    spares: bool = True
    own_names: bool = False


@asynccontextmanager
async def _during(site: Site, *tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    """Let tasks run for the block; what breaks one is raised at its end."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await site.line()


@asynccontextmanager
async def slow(site: Site, notes: Notes) -> AsyncIterator[None]:
    """Every answer of LINE takes eight seconds: no time-out, and so no open circuit."""
    await site.line(answer_after=8)
    await site.troubled.send(_BURST)
    async with _during(site):
        yield
    notes.append(f"{await site.metric('linegate_in_flight_messages'):.0f} under way at its end")


@asynccontextmanager
async def too_slow(site: Site, notes: Notes) -> AsyncIterator[None]:
    """Every answer of LINE takes twelve seconds, two more than linegate waits."""
    await site.line(answer_after=12)
    await site.troubled.send(_BURST)
    async with _during(site):
        yield
    await _note_holds(site, notes)


@asynccontextmanager
async def flapping(site: Site, notes: Notes) -> AsyncIterator[None]:
    """Two seconds of 500, two of work, two of closed connections, two of work, and again."""

    async def flap() -> None:
        for fate in cycle(("500", "normal", "closed", "normal")):
            await site.line(fate)
            await asyncio.sleep(2)

    await site.troubled.send(_BURST)
    async with _during(site, asyncio.create_task(flap())):
        yield
    await _note_holds(site, notes)


@asynccontextmanager
async def outage(site: Site, notes: Notes) -> AsyncIterator[None]:
    """LINE answers 500 to everything."""
    before = (await site.channel(TROUBLED))["requests"]
    await site.line("500")
    await site.troubled.send(_BURST)
    async with _during(site):
        yield
    asked = (await site.channel(TROUBLED))["requests"] - before
    notes.append(f"LINE was asked {asked} times of {len(site.troubled.accepted):,} messages")
    await _note_holds(site, notes)


async def _note_holds(site: Site, notes: Notes) -> None:
    notes.append(f"{await site.metric('linegate_sender_holds_total'):.0f} times held so far")


@asynccontextmanager
async def odd_events(site: Site, notes: Notes) -> AsyncIterator[None]:
    """Events come twice, late, before the answer, or after those of later messages."""

    async def play() -> None:
        for fate in cycle(("twice", "overtaken", "early", "late", "slow")):
            await site.line(fate)
            await asyncio.sleep(0.7)

    await site.troubled.send(_BURST)
    async with _during(site, asyncio.create_task(play())):
        yield


@asynccontextmanager
async def storm(site: Site, notes: Notes) -> AsyncIterator[None]:
    """As many events as go through 64 calls at once: repeated ones and strangers."""
    await site.troubled.send(_BURST)
    await asyncio.sleep(2)
    bodies = [_storm_call(await site.tags()) for _ in range(50)]
    times: list[float] = []
    statuses: Counter[int] = Counter()

    async def throw() -> None:
        for body in cycle(random.sample(bodies, len(bodies))):
            began = time.monotonic()
            statuses[await site.call_webhook(body)] += 1
            times.append(time.monotonic() - began)

    began, cpu = time.monotonic(), snapshot(site.installation.groups())
    async with _during(site, *(asyncio.create_task(throw()) for _ in range(_STORM_CALLS))):
        yield
    times.sort()
    taken, used = statuses[200] * _STORM_EVENTS, snapshot(site.installation.groups())
    late = sum(1 for each in times if each > _LINE_WAITS)
    rate = taken / (time.monotonic() - began)
    notes.append(f"{rate:,.0f} events/s taken; answers by status {dict(statuses)}")
    costs = (f"{name} {(used[name] - cpu[name]) / max(taken, 1) * 1e6:.0f} us" for name in _PAYS)
    notes.append(f"CPU of an event: {', '.join(costs)}")
    notes.append(
        f"answered after 50 %: {percentile(times, 50) * 1000:.0f} ms,"
        f" 99 %: {percentile(times, 99) * 1000:.0f} ms, more than 2 s: {late}"
    )


def _storm_call(tags: list[str]) -> bytes:
    """A call of many events: half of them repeated, half of messages that nobody knows."""
    events = []
    for number in range(_STORM_EVENTS):
        stranger = f"linegate-{random.getrandbits(62):016x}-0001"
        tag = tags[random.randrange(len(tags))] if tags and number % 2 else stranger  # noqa: S311
        events.append(
            f'{{"type":"delivery","delivery":{{"data":"{tag}"}},"webhookEventId":"{number}",'
            f'"timestamp":{int(time.time() * 1000)},"mode":"active"}}'
        )
    return ('{"destination":"U","events":[' + ",".join(events) + "]}").encode()


@asynccontextmanager
async def smsc(site: Site, notes: Notes) -> AsyncIterator[None]:
    """The SMSC is gone; everything of the troubled account needs it."""
    site.troubled.to = refused_numbers()
    site.troubled.more = lambda: {"options": {"smsFailover": {"text": "Shipped"}}}
    await site.smsc.cut()
    await site.troubled.send(_BURST)
    yield
    waiting = await site.metric("linegate_sms_queue_messages")
    notes.append(f"{waiting:,.0f} SMS waited at its end")
    await site.smsc.mend()
    site.troubled.more = dict
    site.troubled.to = numbers(160_000)


@asynccontextmanager
async def endpoints(site: Site, notes: Notes, *others: str) -> AsyncIterator[None]:
    """No client's endpoint takes connections, the steady account's included; others: paths."""
    await site.receiver.close()
    await site.troubled.send(_BURST)
    yield
    await site.receiver.open()
    opened, back = time.monotonic(), site.receiver.back_at
    down = {f"/{STEADY}/0", f"/{TROUBLED}/0", *others}
    until = opened + _LONGEST_REST
    while not down <= back.keys() and time.monotonic() < until:  # noqa: ASYNC110 - asked often
        await asyncio.sleep(0.2)
    took = sorted(back[path] - opened for path in down & back.keys())
    notes.append(f"{len(took)} of {len(down)} endpoints told again")
    if took:
        notes.append(f"the first after {took[0]:.1f} s, the last after {took[-1]:.1f} s")


@asynccontextmanager
async def names(site: Site, notes: Notes) -> AsyncIterator[None]:
    """Sixty endpoints whose name servers are silent, twenty whose say SERVFAIL."""
    server = _own(site)
    server.silent, server.failing = (".dead.test",), (".broken.test",)
    dead = [f"e{at}.dead.test" for at in range(_DEAD_NAMES)]
    hosts = cycle(dead + [f"e{at}.broken.test" for at in range(_FAILING_NAMES)])

    def told_there() -> dict[str, object]:
        url = f"http://{next(hosts)}:{site.receiver.port}/{TROUBLED}/named"
        return {"webhooks": {"delivery": {"url": url}}}

    site.troubled.more = told_there
    for _ in range(_DEAD_NAMES + _FAILING_NAMES):
        await site.troubled.send(5)
    yield
    asked = sum(number for name, number in server.asked.items() if name.endswith(".dead.test"))
    notes.append(f"{asked} queries without an answer")
    server.silent, server.failing = (), ()
    site.troubled.more = dict


@asynccontextmanager
async def all_names(site: Site, notes: Notes) -> AsyncIterator[None]:
    """No name resolves, LINE's neither, while LINE closes connections."""
    server = _own(site)
    server.silent = ("",)
    await site.line("closed")
    await site.troubled.send(_BURST)
    async with _during(site):
        yield
    server.silent = ()
    await _note_holds(site, notes)


def _own(site: Site) -> NameServer:
    if site.names is None:
        raise RuntimeError("this scene needs names of its own")
    return site.names


def crowded(waiting: int) -> Fault:
    """No endpoint takes connections, and a hundred of them have so many reports to get."""

    @asynccontextmanager
    async def fault(site: Site, notes: Notes) -> AsyncIterator[None]:
        await site.receiver.close()
        await _fill(site, waiting)
        paths = [f"/{CROWD}/{at}" for at in range(_CROWD_ENDPOINTS)]
        async with endpoints(site, notes, *paths):
            yield
        notes.append(f"{waiting:,} reports waited besides")

    return fault


async def _fill(site: Site, waiting: int) -> None:
    env = {**site.installation.env, "LINEGATE_CHANNEL_SECRET": "secret"}
    await command(env, "account", "create", CROWD)
    of_crowd = ("--account", CROWD, "--sender", "CROWD", "--channel-id", "1")
    await command(env, "sender", "create", *of_crowd)
    base, now = f"http://127.0.0.1:{site.receiver.port}/{CROWD}", datetime.now(UTC)
    conn = await site.database()
    try:
        account, sender = await conn.fetchrow(
            "SELECT account_id, id FROM sender WHERE name = 'CROWD'"
        )
        urls = [f"{base}/{at}" for at in range(_CROWD_ENDPOINTS)]
        ids = await make_endpoints(conn, account, urls, now)
        await WaitingReports(account, sender).put(conn, ids, waiting, now)
    finally:
        await conn.close()


SCENES = (
    Scene("slow", "LINE answers after 8 s", slow),
    Scene("too-slow", "LINE answers after 12 s", too_slow),
    Scene("flapping", "LINE comes and goes every 2 s", flapping),
    Scene("outage", "LINE answers 500", outage),
    Scene("events", "events twice, late, early, out of order", odd_events),
    Scene("storm", "a storm of events", storm),
    Scene("smsc", "the SMSC is gone", smsc),
    Scene("endpoints", "every endpoint is down", endpoints),
    Scene("names", "80 endpoints' names do not resolve", names, own_names=True),
    Scene("all-names", "no name resolves at all", all_names, spares=False, own_names=True),
)
