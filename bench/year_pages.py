"""Every page and list of a real `linegate api` over the year's database, with its time."""

import os
import re
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
from installation import command, environment, free_port, listening
from processes import Group, snapshot, working_in
from year_fill import ACCOUNTS, MILLION, PERSON

from linegate.clock import SystemClock
from linegate.domain.ids import public_id

__all__ = ["Asking", "Took", "measure_pages"]

_GOAL = 0.1  # seconds
_NEWEST = (
    "SELECT max(message_id) FROM final WHERE account_id = $1 AND status = $2 AND message_id < $3"
)
_BY_SMS = "SELECT max(message_id) FROM sms_end WHERE account_id = $1"
_WAITING = "SELECT max(last_id) FROM bulk_run WHERE finished_at IS NULL AND account_id = $1"
_ENDPOINTS = "SELECT id FROM endpoint WHERE account_id = $1 ORDER BY failures DESC, id LIMIT 2"
_SMALL = (
    "SELECT client_id FROM bulk WHERE account_id = $1 AND messages = 500 ORDER BY id DESC LIMIT 1"
)
_CAMPAIGN = (
    "SELECT max(campaign) FROM statistic"
    " WHERE account_id = $1 AND day = $2 AND campaign LIKE 'week-%'"
)


@dataclass(frozen=True, slots=True)
class Took:
    """Times of one page in seconds; first: the first time after the processes began.

    cpu: of our process and the database together, in the mean; what an idle machine would take.
    """

    name: str
    first: float
    median: float
    longest: float
    cpu: float
    status: int
    size: int


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask: every page whose name `only` matches, `rounds` times after the first."""

    say: Callable[[str], None]
    rounds: int
    only: str


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the pages are asked about; ids as clients see them."""

    account: int
    delivered: str
    by_sms: str
    waiting: str
    dead: int
    working: int
    small: str
    new_campaign: str
    old_campaign: str


async def measure_pages(home: Path, dsn: str, ask: Asking) -> list[Took]:
    """Ask for every page; gives those slower than the goal."""
    marks = await _landmarks(dsn)
    env = environment(home)
    name, password = f"bench-{os.getpid()}", home / "bench-password"
    password.write_text("correct horse battery staple", encoding="utf-8")
    users = {"operator": f"{name}-ops", "user": name}
    for kind, user in users.items():
        more = ["--operator"] if kind == "operator" else []
        await command(
            env,
            *("user", "create", "--account", ACCOUNTS[0], "--user", user),
            *("--password-file", str(password), *more),
        )
    key = (await command(env, "key", "create", "--account", ACCOUNTS[0]))["key"]
    slow: list[Took] = []
    async with AsyncExitStack() as stack:
        began = time.perf_counter()
        log = home.with_name(home.name + "-api.log")
        port = str(free_port())
        api, url = await stack.enter_async_context(listening(["api", "--port", port], env, log))
        data = home / "postgres" / "data"
        groups: dict[str, Group] = {
            "api": lambda: [api.pid],
            "postgres": lambda: working_in(data),
        }
        ask.say(f"linegate api answers after {time.perf_counter() - began:.2f} s")
        for kind, user in users.items():
            session = await stack.enter_async_context(_browser(url))
            form = {"name": user, "password": password.read_text(encoding="utf-8").strip()}
            async with session.post("/console/login", data=form) as answer:
                answer.raise_for_status()
            slow += await _ask(session, kind, _pages(marks), groups, ask)
        headers = {"Authorization": f"App {key}"}
        session = await stack.enter_async_context(_browser(url, headers))
        slow += await _ask(session, "key", _lists(), groups, ask)
    return slow


def _browser(url: str, headers: dict[str, str] | None = None) -> aiohttp.ClientSession:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, not of a name
    return aiohttp.ClientSession(url, headers=headers, cookie_jar=jar)


async def _ask(
    session: aiohttp.ClientSession,
    kind: str,
    paths: dict[str, str],
    groups: dict[str, Group],
    ask: Asking,
) -> list[Took]:
    slow = []
    for name, path in paths.items():
        if not re.search(ask.only, f"{kind}: {name}"):
            continue
        took = await _timed(session, f"{kind}: {name}", path, groups, ask.rounds)
        ask.say(
            f"{took.name:46} {took.status} {took.size:7} B  first {took.first * 1000:7.1f}"
            f"  median {took.median * 1000:7.1f}  longest {took.longest * 1000:7.1f}"
            f"  CPU {took.cpu * 1000:6.1f} ms" + ("  SLOW" if took.cpu > _GOAL else "")
        )
        if took.cpu > _GOAL or took.status != 200:
            slow.append(took)
    return slow


async def _timed(
    session: aiohttp.ClientSession, name: str, path: str, groups: dict[str, Group], rounds: int
) -> Took:
    times, status, size, used = [], 0, 0, 0.0
    for number in range(rounds + 1):
        if number == 1:
            used = sum(snapshot(groups).values())
        began = time.perf_counter()
        async with session.get(path) as answer:
            size, status = len(await answer.read()), answer.status
        times.append(time.perf_counter() - began)
    used = (sum(snapshot(groups).values()) - used) / rounds
    return Took(name, times[0], statistics.median(times[1:]), max(times[1:]), used, status, size)


async def _landmarks(dsn: str) -> Landmarks:
    conn = await asyncpg.connect(dsn)
    try:
        account = await conn.fetchval("SELECT id FROM account WHERE name = $1", ACCOUNTS[0])
        dead, working = [row["id"] for row in await conn.fetch(_ENDPOINTS, account)]
        last = await conn.fetchval("SELECT max(day) FROM statistic WHERE campaign LIKE 'week-%'")
        newest = await conn.fetchval("SELECT min(bulk_id) FROM bulk_run WHERE finished_at IS NULL")
        return Landmarks(
            account,
            public_id(await conn.fetchval(_NEWEST, account, 5, newest)),
            public_id(await conn.fetchval(_BY_SMS, account)),
            public_id(await conn.fetchval(_WAITING, account)),
            dead,
            working,
            await conn.fetchval(_SMALL, account),
            await conn.fetchval(_CAMPAIGN, account, last),
            await conn.fetchval(_CAMPAIGN, account, last - timedelta(days=25)),
        )
    finally:
        await conn.close()


def _pages(marks: Landmarks) -> dict[str, str]:
    """Every page of the console that reads something, by what it is."""
    old = (SystemClock().now() - timedelta(days=25)).strftime("%Y-%m-%dT%H:%M")
    searches = {
        "nothing": "",
        "a person of 5,000": f"number={PERSON}",
        "a person": "number=819000012345",
        "an unknown person": "number=819199999999",
        "a message": f"message={marks.delivered}",
        "a client's message": f"message=order-{int(marks.delivered, 16)}",
        "the bulk of a million": f"bulk={MILLION}",
        "the bulk of a million, delivered": f"bulk={MILLION}&group=DELIVERED",
        "the bulk of a million, pending": f"bulk={MILLION}&group=PENDING",
        "a bulk": f"bulk={marks.small}",
        "a campaign of today": f"campaign={marks.new_campaign}",
        "a campaign of 25 days ago": f"campaign={marks.old_campaign}",
        "a common campaign": "campaign=otp",
        "an unknown campaign": "campaign=nothing",
        "an entity": "entity=entity-3",
        "an unknown entity": "entity=nothing",
        "an application": "application=app-1",
        "a rare application": "application=rare",
        "a sender": "sender=ACME1",
        "a rare sender": "sender=ACME-RARE",
        "another account's sender": "sender=BOLT",
        **{f"{group.lower()}": f"group={group}" for group in _GROUPS},
        "rejected by a rare sender": "group=REJECTED&sender=ACME-RARE",
        "expired of an entity": "group=EXPIRED&entity=entity-3",
        "a campaign and an entity": "campaign=otp&entity=entity-3",
        "before 25 days ago": f"until={old}",
        "a sender before 25 days ago": f"until={old}&sender=ACME2",
        "a campaign before 25 days ago": f"until={old}&campaign=otp",
        "undelivered of a campaign": "campaign=order&group=UNDELIVERABLE",
        "what ended, by its end": "by=end",
        "what expired, by its end": "by=end&group=EXPIRED",
        "undelivered of a campaign, by its end": "by=end&campaign=order&group=UNDELIVERABLE",
        "an old campaign, by its end": f"by=end&campaign={marks.old_campaign}",
        "what an SMS ended": "leg=SMS",
        "what an SMS ended of a campaign": f"leg=SMS&campaign={marks.old_campaign}",
    }
    bulk = f"/bulks/{marks.account}/{quote(MILLION)}"
    pages = {
        **{f"overview, {span}": f"/?span={span}" for span in ("hour", "day", "week")},
        "overview, live": "/live",
        **{f"messages: {name}": f"/messages?{query}" for name, query in searches.items()},
        "one message": f"/messages/{marks.delivered}",
        "one message, by SMS": f"/messages/{marks.by_sms}",
        "one message, waiting": f"/messages/{marks.waiting}",
        "bulks": "/bulks",
        "one bulk of a million": bulk,
        "one bulk of a million, live": f"{bulk}/live",
        "one bulk": f"/bulks/{marks.account}/{marks.small}",
        "webhooks": "/webhooks",
        "a dead webhook": f"/webhooks/{marks.dead}",
        "a webhook": f"/webhooks/{marks.working}",
        **{name: f"/{name}" for name in _SIMPLE},
        "a sender": "/senders/1",
    }
    return {name: f"/console{path}" for name, path in pages.items()}


_GROUPS = ("DELIVERED", "PENDING", "UNDELIVERABLE", "EXPIRED", "REJECTED")
_SIMPLE = ("compose", "templates", "senders", "keys", "users", "parts", "audit", "guide")


def _lists() -> dict[str, str]:
    """What programs ask for."""
    today = SystemClock().now().date()
    year = f"from={today - timedelta(days=364)}&to={today}"
    return {
        "statistics, 30 days": "/line/1/statistics",
        "statistics, 30 days by all": "/line/1/statistics?groupBy=day,sender,campaign",
        "statistics, a year": f"/line/1/statistics?{year}",
        "statistics, a year by day": f"/line/1/statistics?{year}&groupBy=day",
        "statistics, a year by sender": f"/line/1/statistics?{year}&groupBy=sender",
        "statistics, a year by campaign": f"/line/1/statistics?{year}&groupBy=campaign",
        "statistics, a year of an entity": f"/line/1/statistics?{year}&entityId=entity-3",
        "logs": "/line/1/logs?limit=50",
        "logs, 1,000": "/line/1/logs?limit=1000",
        "logs of a bulk": f"/line/1/logs?limit=50&bulkId={MILLION}",
        "logs of a rare sender": "/line/1/logs?limit=50&sender=ACME-RARE",
        "logs of a person": f"/line/1/logs?limit=50&destination={PERSON}",
        "logs of a common campaign": "/line/1/logs?limit=50&campaignReferenceId=otp",
        "reports, 50": "/line/1/reports?limit=50",
        "reports, 1,000": "/line/1/reports?limit=1000",
        "reports of a bulk": f"/line/1/reports?limit=50&bulkId={MILLION}",
        "bulk": f"/line/1/bulks?bulkId={MILLION}",
        "bulk's status": f"/line/1/bulks/status?bulkId={MILLION}",
        "entities": "/provisioning/1/entities?size=100",
        "metrics": "/metrics",
        "ready": "/health/ready",
    }
