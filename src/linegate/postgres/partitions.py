"""Daily partitions of the tables that grow by one row a message.

Made a week ahead, so that a day never begins without; dropped whole by retention. The names are
ours and the bounds are numbers, so the statements are put together here and not in a `.sql` file.
"""

from datetime import UTC, date, datetime, timedelta

from linegate.domain.ids import day_start
from linegate.postgres.pool import Connection

__all__ = ["PARTITIONED", "days_present", "drop_day", "ensure_partitions"]

PARTITIONED = (
    "bulk",
    "message_object",
    "message",
    "attempt",
    "final",
    "late_event",
    "push_try",
    "push_post",
    "sms_receipt",
    "sms_end",
    "track_release",
    "failover",
)
_BEHIND = 1  # a clock behind ours may still write into yesterday
_AHEAD = 7

# 3 KB of content stay inside their row: moving them out and compressing costs more than it saves.
_STORAGE = {"message_object": " WITH (toast_tuple_target = 8160)"}
_LOCK = 7_301_402  # one maker at a time: two at once would both find the partition missing


async def ensure_partitions(
    conn: Connection, *, now: datetime, behind: int = _BEHIND, ahead: int = _AHEAD
) -> int:
    """Make what is missing from `behind` days ago to `ahead` days hence; gives how many it made.

    Nobody waits for it: neither those who read and write the tables, nor they behind it when
    somebody reads for hours.
    """
    today = now.astimezone(UTC).date()
    wanted = {
        f"{table}_{day:%Y%m%d}": (table, day)
        for table in PARTITIONED
        for day in (today + timedelta(days=n) for n in range(-behind, ahead + 1))
    }
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        rows = await conn.fetch(
            "SELECT relname FROM pg_class WHERE relname = ANY($1::text[]) AND relkind = 'r'",
            list(wanted),
        )
        missing = wanted.keys() - {row["relname"] for row in rows}
        for name in sorted(missing):
            table, day = wanted[name]
            await conn.execute(_create(name, table, day))
    return len(missing)


def _create(name: str, table: str, day: date) -> str:
    first, end = day_start(day), day_start(day + timedelta(days=1))
    storage = _STORAGE.get(table, "")
    # CREATE ... PARTITION OF would lock the table against all; to attach goes beside them.
    return (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        f" INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING GENERATED){storage};"
        f" ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    )


async def days_present(conn: Connection) -> list[date]:
    """The days that have partitions, oldest first."""
    rows = await conn.fetch(
        "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid"
        " WHERE inhparent = 'message'::regclass"
    )
    names = (row["relname"].removeprefix("message_") for row in rows)
    return sorted(datetime.strptime(name, "%Y%m%d").date() for name in names)  # noqa: DTZ007


async def drop_day(conn: Connection, day: date) -> None:
    """Drop every table's partition of a day, all or none.

    Raises: asyncpg.LockNotAvailableError if somebody uses one just now; to wait longer would keep
            everybody else waiting behind us.
    """
    async with conn.transaction():
        await conn.execute("SET LOCAL lock_timeout = '200ms'")
        for table in PARTITIONED:
            await conn.execute(f"DROP TABLE IF EXISTS {table}_{day:%Y%m%d}")
