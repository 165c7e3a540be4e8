"""Queries that add up what the overview counts."""

from collections.abc import Mapping
from datetime import datetime

from linegate.domain.pulse import SPANS
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["fold_pulse", "forget_pulse", "lock_pulse"]


async def lock_pulse(conn: Connection) -> bool:
    """Whether this transaction may add up; another one is at it if not."""
    return bool(await bundled().lock_pulse.value(conn))


async def fold_pulse(conn: Connection, *, limit: int) -> int:
    """Add up at most `limit` fresh rows; gives how many there were."""
    grains = [span.grain for span in SPANS.values()]
    return int(await bundled().fold_pulse.value(conn, grains=grains, limit=limit))


async def forget_pulse(conn: Connection, befores: Mapping[int, datetime]) -> None:
    """Remove counts older than an instant, by grain."""
    grains = sorted(befores)
    await bundled().forget_pulse.exec(
        conn, grains=grains, befores=[befores[grain] for grain in grains]
    )
