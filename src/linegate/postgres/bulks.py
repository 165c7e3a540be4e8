"""Queries of stage 1: what was accepted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["AcceptedRows", "claim_client_ids", "insert_accepted"]


class AcceptedRows:
    """Rows of many requests, column by column, as one statement takes them."""

    __slots__ = (
        "bulks",
        "messages",
        "objects",
    )

    def __init__(self) -> None:
        """Start with no rows."""
        self.bulks: list[tuple[object, ...]] = []
        self.objects: list[tuple[object, ...]] = []
        self.messages: tuple[list[object], ...] = ([], [], [], [], [], [])


_BULK_COLUMNS = ("bulk_ids", "bulk_accounts", "bulk_client_ids", "bulk_messages")
_OBJECT_COLUMNS = (
    "object_ids",
    "object_bulks",
    "object_accounts",
    "object_senders",
    "object_endpoints",
    "object_alone",
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
)
_MESSAGE_COLUMNS = (
    "ids",
    "object_positions",
    "destinations",
    "client_ids",
    "statuses",
    "errors",
)


async def insert_accepted(conn: Connection, rows: AcceptedRows, *, now: datetime) -> None:
    """Write everything of some requests in one statement."""
    values: dict[str, object] = {"now": now}
    values.update(zip(_BULK_COLUMNS, zip(*rows.bulks, strict=True), strict=True))
    values.update(zip(_OBJECT_COLUMNS, zip(*rows.objects, strict=True), strict=True))
    values.update(zip(_MESSAGE_COLUMNS, rows.messages, strict=True))
    await bundled().insert_accepted.exec(conn, **values)


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
