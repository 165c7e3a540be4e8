"""Takes LINE's calls for a bot: on disk before LINE gets its 200, and no later."""

from datetime import datetime

from linegate.postgres.pool import Pool
from linegate.postgres.relays import insert_relay

__all__ = ["RelayInbox"]


class RelayInbox:
    """Keeps calls for the relayer, whatever process it runs in."""

    def __init__(self, pool: Pool) -> None:
        """Write over `pool`."""
        self._pool = pool

    async def take(self, sender_id: int, body: bytes, signature: str, now: datetime) -> None:
        """Keep one call, body and signature as they came. When this returns, it is on disk."""
        async with self._pool.acquire() as conn:
            await insert_relay(conn, sender_id=sender_id, body=body, signature=signature, now=now)
