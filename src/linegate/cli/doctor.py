"""Command: `linegate doctor`: looks at everything that can be wrong and says what to do."""

import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from linegate.cli.console import JsonFlag, read_settings, show, with_store
from linegate.clock import SystemClock
from linegate.config import Settings
from linegate.credentials import token_sources
from linegate.line.checkup import check_up
from linegate.line.client import LineClient
from linegate.postgres.doctor import (
    all_senders,
    connection_room,
    failing_endpoints,
    oldest_transaction,
    rolled_up_to,
    server_clock,
)
from linegate.postgres.pool import Connection
from linegate.postgres.senders import load_sender
from linegate.postgres.sms_routes import list_routes
from linegate.postgres.store import Store

__all__ = ["Examined", "doctor", "examine"]

_GIBIBYTE = 1024**3
_OLDEST_SERVER = 15
_LONG = 60  # seconds of an open transaction
_SKEW = timedelta(seconds=2)
_ASLEEP = timedelta(seconds=30)
_ENDPOINTS = 20


class Examined(NamedTuple):
    """One thing that was looked at; words say what to do if it is not good."""

    what: str
    is_good: bool
    words: str


def doctor(
    with_line: Annotated[
        bool, typer.Option("--line/--no-line", help="Ask LINE about every sender too.")
    ] = True,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Look at database, disk, clock, workers, LINE, SMS routes and webhooks, and say what to do."""
    settings = read_settings()

    async def work(store: Store) -> list[Examined]:
        return [each async for each in examine(store, settings, with_line=with_line)]

    found = with_store(work)
    is_good = all(each.is_good for each in found)
    if as_json:
        told = [{"what": each.what, "good": each.is_good, "words": each.words} for each in found]
        answer = {"good": is_good, "findings": told, "settings": settings.effective()}
        show(answer, as_json=True, plain="")
    else:
        console = Console()
        for each in found:
            mark = "[green]ok [/green]" if each.is_good else "[red]BAD[/red]"
            console.print(f"{mark}  {each.what}: ", end="")
            console.print(each.words, markup=False)
    if not is_good:
        raise typer.Exit(1)


async def examine(store: Store, settings: Settings, *, with_line: bool) -> AsyncIterator[Examined]:
    """Everything, one after the other."""
    now = SystemClock().now()
    yield _disk(settings)
    async with store.pool.acquire() as conn:
        for each in await _database(conn, now):
            yield each
        yield await _connections(conn, settings)
        yield await _workers(conn, now)
        for each in await _routes(conn):
            yield each
        for each in await _webhooks(conn):
            yield each
    if with_line:
        for each in await _senders(store, settings):
            yield each


def _disk(settings: Settings) -> Examined:
    if not settings.is_embedded:
        return Examined("disk", True, "the database is elsewhere: watch its disk there")
    disk = os.statvfs(settings.home)
    free = disk.f_bavail * disk.f_frsize
    words = f"{free / _GIBIBYTE:.1f} GB free at {settings.home}"
    if free < 2 * settings.disk_reserve:
        return Examined("disk", False, words + ": make room, or messages will be answered with 503")
    return Examined("disk", True, words)


async def _database(conn: Connection, now: datetime) -> list[Examined]:
    version = conn.get_server_version()
    found = [
        Examined(
            "database",
            version.major >= _OLDEST_SERVER,
            f"PostgreSQL {version.major}.{version.minor}, schema up to date"
            + ("" if version.major >= _OLDEST_SERVER else f": {_OLDEST_SERVER} or newer is needed"),
        )
    ]
    skew = abs(await server_clock(conn) - now)
    words = f"this machine and the database differ by {skew.total_seconds():.1f} s"
    if skew > _SKEW:
        words += ": let both be set by NTP"
    found.append(Examined("clock", skew <= _SKEW, words))
    oldest = await oldest_transaction(conn, now=now)
    words = f"the oldest open transaction has lasted {oldest:.0f} s"
    if oldest > _LONG:
        words += (
            ": end it, it keeps the database from cleaning up"
            " (SELECT pid, usename, xact_start, query FROM pg_stat_activity ORDER BY xact_start)"
        )
    found.append(Examined("transactions", oldest <= _LONG, words))
    return found


async def _connections(conn: Connection, settings: Settings) -> Examined:
    room = await connection_room(conn)
    words = (
        f"{room.used} of {room.allowed} are open; `linegate up` with workers = {settings.workers}"
        f" may open {settings.connections_of_all}"
    )
    if is_good := settings.connections_of_all <= room.allowed and room.used < room.allowed * 0.9:
        return Examined("connections", is_good, words)
    mend = (
        "stop everything and start it again"  # the server takes its size from who starts it
        if settings.is_embedded
        else "raise max_connections of the server, or lower database_connections"
    )
    return Examined("connections", is_good, f"{words}: {mend}")


async def _workers(conn: Connection, now: datetime) -> Examined:
    at = await rolled_up_to(conn)
    if at is None:
        return Examined("workers", False, "none has ever run: start `linegate up` or a worker")
    idle = now - at
    if idle > _ASLEEP:
        words = f"none has worked for {idle}: start `linegate up` or a worker, or read its log"
        return Examined("workers", False, words)
    return Examined("workers", True, "at work")


async def _routes(conn: Connection) -> list[Examined]:
    return [
        Examined(
            f"sms route {route.account} {route.name}",
            route.is_up is not False,
            route.shown if route.is_up is not False else f"down: {route.trouble}",
        )
        for route in await list_routes(conn, None)
        if route.enabled
    ]


async def _webhooks(conn: Connection) -> list[Examined]:
    return [
        Examined(
            f"webhook {each.account}",
            False,
            f"{each.url} failed {each.failures} times: {each.last_error};"
            " `linegate webhook list` shows what waits",
        )
        for each in await failing_endpoints(conn, limit=_ENDPOINTS)
    ] or [Examined("webhooks", True, "none is failing")]


async def _senders(store: Store, settings: Settings) -> list[Examined]:
    clock = SystemClock()
    async with store.pool.acquire() as conn:
        named = await all_senders(conn)
        rows = [await load_sender(conn, each.account_id, each.name) for each in named]
    found = []
    async with LineClient(settings.line_api_url) as line:
        for row in rows:
            if row is None:
                continue
            if row.hold is not None:
                words = f"held: {row.hold}; `linegate sender resume` lets it go on"
                found.append(Examined(f"sender {row.name}", False, words))
            tokens = token_sources(store.vault, line, clock)(row)
            findings = await check_up(line, tokens, webhook_name=row.name, now=clock.now())
            found += [
                Examined(f"sender {row.name} {each.what}", each.is_good, each.words)
                for each in findings
            ]
    return found
