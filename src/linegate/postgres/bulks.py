"""Queries of stage 1: what was accepted."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "AcceptedRows",
    "RunRow",
    "TrackRow",
    "claim_client_ids",
    "insert_accepted",
    "insert_waiting",
]


class RunRow(NamedTuple):
    """How a bulk that waits will go."""

    bulk_id: int
    account_id: int
    last_id: int
    messages: int
    send_at: datetime
    pace_amount: int | None
    pace_unit: timedelta | None


class TrackRow(NamedTuple):
    """The waiting messages of one message object in one zone. days: a PostgreSQL array as text."""

    id: int
    bulk_id: int
    object_id: int
    account_id: int
    sender_id: int
    endpoint_id: int
    home: str
    validity: timedelta
    days: str | None
    opens: int | None
    closes: int | None
    zone: str
    last_id: int
    remaining: int


class AcceptedRows:
    """Rows of many requests, in the order of the columns below."""

    __slots__ = ("bulks", "messages", "objects", "runs", "tracks", "untold")

    def __init__(self) -> None:
        """Start with no rows."""
        self.bulks: list[tuple[object, ...]] = []
        self.objects: list[tuple[object, ...]] = []
        self.messages: tuple[list[object], ...] = ([], [], [], [], [], [], [], [])
        self.runs: list[RunRow] = []
        self.tracks: list[TrackRow] = []
        self.untold: list[tuple[int, bytes]] = []


_BULK_COLUMNS = (
    "bulk_ids",
    "bulk_accounts",
    "bulk_client_ids",
    "bulk_messages",
    "bulk_last_ids",
)
_OBJECT_COLUMNS = (
    "object_ids",
    "object_bulks",
    "object_accounts",
    "object_senders",
    "object_endpoints",
    "object_homes",
    "object_templated",
    "object_messages",
    "object_entities",
    "object_applications",
    "object_campaigns",
    "object_callbacks",
    "object_validities",
    "object_windows",
    "object_failovers",
    "object_intermediates",
    "object_templates",
    "object_personals",
    "object_fails_over",
    "object_keys",
    "object_counted",
    "object_traces",
)
_MESSAGE_COLUMNS = (
    "ids",
    "object_positions",
    "destinations",
    "client_ids",
    "statuses",
    "errors",
    "track_ids",
    "placeholders",
)
_RUN_COLUMNS = (
    "bulk_ids",
    "account_ids",
    "last_ids",
    "messages",
    "send_ats",
    "pace_amounts",
    "pace_units",
)
_TRACK_COLUMNS = (
    "ids",
    "bulk_ids",
    "object_ids",
    "account_ids",
    "sender_ids",
    "endpoint_ids",
    "homes",
    "validities",
    "days",
    "opens",
    "closes",
    "zones",
    "last_ids",
    "remainings",
)


async def insert_accepted(conn: Connection, rows: AcceptedRows, *, now: datetime) -> None:
    """Write everything of some requests in one statement; what waits has its track."""
    await bundled().insert_accepted.exec(
        conn,
        **_columns(_BULK_COLUMNS, rows.bulks),
        **_columns(_OBJECT_COLUMNS, rows.objects),
        **dict(zip(_MESSAGE_COLUMNS, rows.messages, strict=True)),
        now=now,
    )


async def insert_waiting(conn: Connection, rows: AcceptedRows, *, now: datetime) -> None:
    """Write how the bulks that wait will go, and tell the shaper."""
    if not rows.runs:
        return
    await bundled().insert_runs.exec(conn, **_columns(_RUN_COLUMNS, rows.runs), now=now)
    if rows.tracks:
        await bundled().insert_tracks.exec(conn, **_columns(_TRACK_COLUMNS, rows.tracks))
    await bundled().tell_shaper.exec(conn)


def _columns(
    names: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> dict[str, tuple[object, ...]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))


async def claim_client_ids(
    conn: Connection,
    kind: Literal["bulk", "message"],
    asked: Sequence[tuple[int, str, int]],
) -> set[int]:
    """Take ids that clients chose; asked as account, name, our id. Gives our ids that got theirs.

    Asked in order of account and name, so that two requests never wait for each other in a circle.
    """
    ordered = sorted(asked)
    rows = await bundled().claim_client_ids.many(
        conn,
        kind=kind,
        account_ids=[account for account, _, _ in ordered],
        names=[name for _, name, _ in ordered],
        ids=[id_ for _, _, id_ in ordered],
    )
    return {row["id"] for row in rows}
