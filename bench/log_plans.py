"""Every way to ask the log, on many messages: which index leads in, and how long it takes.

`make bench-logs`, or with --messages 10000000 for ten million. Fills a database in a temporary
folder; exits with 1 if a plan reads a whole table of messages.
"""

import argparse
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import SystemClock
from linegate.domain.ids import IdMaker, public_id
from linegate.domain.wiretime import format_instant, parse_instant
from linegate.logs import set_up
from linegate.postgres.store import Store, open_store
from linegate.report.logbook import Asked, Logbook

_PER_BULK = 500
_STEP = 16

# Ten campaigns of a hundredth each and one of the rest, five entities, statuses as in life.
_ANY = "x"  # nothing is sent to LINE
_NOT_ENDED = """
WITH back AS (
    DELETE FROM final WHERE message_id > $1 AND message_id < $2 RETURNING message_id, object_id
)
INSERT INTO queue (id, sender_id, object_id, account_id, step, due_at, deadline_at, sent_at, home,
                   destination)
SELECT message_id, $4::bigint, object_id, $3::bigint, 'sent', $5, $5, $5, 'due_bulk', ''
FROM back"""
_FILL = Path(__file__).with_name("fill_log.sql").read_text(encoding="utf-8")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> int:
    """Fill, ask, print; 1 if something is read whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true", help="print the plans too")
    asked = parser.parse_args()
    set_up(level="warning", form="console")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linegate-bench-")))
        folder.chmod(0o711)  # noqa: ASYNC240 - once, at the start
        store = await stack.enter_async_context(
            open_store(
                home=folder / "home", database_url=None, secret_key=None, clock=clock, connections=3
            )
        )
        account, bulk, message = await _fill(store, asked.messages, clock.now())
        return await _ask(store, account, bulk, message, with_plans=asked.plans)


async def _fill(store: Store, messages: int, now: datetime) -> tuple[int, int, int]:
    """Messages of the last 40 hours, evenly; gives the account, a bulk and a message."""
    account = await create_account(store, "bench")
    sender = await create_sender(
        store, "bench", "BENCH", channel_id="1", channel_secret=_ANY, token=_ANY
    )
    began, ids, first, unfinished = time.monotonic(), IdMaker(200), 0, 0
    bulks = messages // _PER_BULK
    async with store.pool.acquire() as conn:
        await conn.execute("SET statement_timeout = 0")
        await conn.execute("SET transaction_timeout = 0")
        start = now - timedelta(hours=40)
        for number in range(bulks):
            at = max(start + timedelta(hours=39.9) * number / bulks, now.replace(hour=0, minute=0))
            first = ids.block(_PER_BULK + 1100, at)[0]
            await conn.execute(_FILL, first, _PER_BULK, account, sender, at, number)
            if number == bulks * 19 // 20:
                unfinished = first
        await conn.execute(_NOT_ENDED, unfinished, first, account, sender, now)
        await conn.execute("ANALYZE")
    _say(f"{messages} messages in {time.monotonic() - began:.0f} s")
    return account, first, first + 2 * _STEP


async def _ask(store: Store, account: int, bulk: int, message: int, *, with_plans: bool) -> int:
    hour_ago = format_instant(SystemClock().now() - timedelta(hours=1))
    since: dict[str, Any] = {"since": parse_instant(hour_ago)}
    ways: dict[str, dict[str, Any]] = {
        "nothing": {},
        "since": since,
        "until": {"until": parse_instant(hour_ago)},
        "sender": {"sender": "BENCH"},
        "generalStatus common": {"status_group": "DELIVERED"},
        "generalStatus rare": {"status_group": "REJECTED"},
        "generalStatus none": {"status_group": "EXPIRED"},
        "generalStatus PENDING": {"status_group": "PENDING"},
        "PENDING + campaign small": {"status_group": "PENDING", "campaigns": ["campaign-3"]},
        "PENDING + campaign unknown": {"status_group": "PENDING", "campaigns": ["none"]},
        "mcc": {"network": "440%"},
        "messageId": {"message_ids": [public_id(message)]},
        "bulkId": {"bulk_ids": [public_id(bulk)]},
        "bulkId + status": {"bulk_ids": [public_id(bulk)], "status_group": "UNDELIVERABLE"},
        "destination": {"destination": "819000000501"},
        "campaign common": {"campaigns": ["rest"]},
        "campaign small": {"campaigns": ["campaign-3"]},
        "campaign unknown": {"campaigns": ["none"]},
        "entity": {"entity_id": "entity-2"},
        "application rare": {"application_id": "rare"},
        "campaign + entity + status": {
            "campaigns": ["campaign-3"],
            "entity_id": "entity-3",
            "status_group": "UNDELIVERABLE",
        },
        "entity + since + status": {
            "entity_id": "entity-2",
            "status_group": "UNDELIVERABLE",
            **since,
        },
        "sender + campaign + since": {"sender": "BENCH", "campaigns": ["campaign-3"], **since},
    }
    whole: list[str] = []
    for limit in (50, 1000):
        for name, values in ways.items():
            took, rows, plans = await _timed(store, account, Asked(limit=limit, **values))
            read_whole = [line for plan in plans for line in plan if "Seq Scan" in line]
            whole += read_whole
            indexes = sorted({index for plan in plans for index in _indexes(plan)})
            _say(f"{limit:5} {name:28} {rows:5} rows {took * 1000:8.1f} ms  {', '.join(indexes)}")
            if with_plans and limit == 50:
                _say("\n".join(f"        {line}" for plan in plans for line in plan))
    return 1 if whole else 0


async def _timed(store: Store, account: int, asked: Asked) -> tuple[float, int, list[list[str]]]:
    """The second run of one question: seconds, rows, and the plans of what it asked."""
    logbook = Logbook(store.pool, SystemClock())
    await logbook.page([account], asked)
    began = time.monotonic()
    page = await logbook.page([account], asked)
    took = time.monotonic() - began
    async with _Recording(store.pool) as recording:
        await Logbook(recording, SystemClock()).page([account], asked)  # type: ignore[arg-type]
    return took, len(page.logged), recording.plans


class _Recording:
    """A pool of one connection that explains every statement it runs."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.plans: list[list[str]] = []

    async def __aenter__(self) -> "_Recording":
        self._conn = await self._pool.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.release(self._conn)

    def acquire(self) -> "_Recorded":
        return _Recorded(self._conn, self.plans)


class _Recorded:
    def __init__(self, conn: Any, plans: list[list[str]]) -> None:
        self._conn, self._plans = conn, plans

    async def __aenter__(self) -> "_Recorded":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def fetch(self, sql: str, *values: object) -> Any:
        rows = await self._conn.fetch("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + sql, *values)
        lines = [row[0] for row in rows if "never executed" not in row[0]]
        self._plans.append(lines)
        return await self._conn.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Any:
        return await self._conn.fetchrow(sql, *values)

    async def execute(self, sql: str) -> Any:
        return await self._conn.execute(sql)

    def transaction(self) -> Any:
        return self._conn.transaction()


def _indexes(plan: list[str]) -> list[str]:
    """The indexes of a plan, without the day of their partition."""
    found = []
    for line in plan:
        _, marker, rest = line.partition("Scan using ")
        if marker:
            found.append(re.sub(r"_\d{8}", "", rest.split(" ")[0]))
    return found


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
