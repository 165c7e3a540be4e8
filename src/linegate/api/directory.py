"""Who is asking and for which sender: rows of the directory, remembered for a second.

A change by command takes effect when the memory ends. What is not found is not remembered.
"""

from collections.abc import Sequence
from datetime import datetime

from linegate.api.divisions import Divisions
from linegate.api.identities import Identities
from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.api.rates import Rates
from linegate.api.template_directory import TemplateDirectory
from linegate.clock import Clock
from linegate.domain.policy import AccountPolicy
from linegate.domain.subscription import Subscription
from linegate.line.catalogue import Catalogue
from linegate.postgres.blocklist import blocked_of, has_blocked
from linegate.postgres.directory import (
    Sender,
    default_endpoint,
    ensure_endpoint,
    find_sender,
)
from linegate.postgres.divisions import load_policy
from linegate.postgres.logs import find_client_ids
from linegate.postgres.pool import Pool
from linegate.postgres.sms_routes import Routing, routing_of
from linegate.postgres.subscriptions import delivery_subscriptions

__all__ = ["Directory"]


class Directory:
    """Who asks (`identities`), senders and endpoints, for the API."""

    def __init__(self, pool: Pool, clock: Clock, catalogue: Catalogue | None = None) -> None:
        """Read over `pool`; catalogue: of LINE's own templates, if not the one we come with."""
        self._pool = pool
        self._clock = clock
        self.identities = Identities(pool)
        self.divisions = Divisions(pool)
        self.rates = Rates()
        self._policies: Memory[int, AccountPolicy] = Memory(self._load_policy, REMEMBERED_FOR)
        self.templates = TemplateDirectory(pool, catalogue)
        self._senders: Memory[str, Sender] = Memory(self._load_sender, REMEMBERED_FOR)
        self._endpoints: Memory[tuple[int, str, str], int] = Memory(self._make_endpoint, None)
        self._blocks: Memory[int, bool] = Memory(self._load_blocks, REMEMBERED_FOR)
        self._subscriptions: Memory[int, tuple[Subscription, ...]] = Memory(
            self._load_subscriptions, REMEMBERED_FOR
        )
        self._routings: Memory[int, list[Routing]] = Memory(self._load_routings, REMEMBERED_FOR)
        self._defaults: Memory[int, int] = Memory(self._load_default, REMEMBERED_FOR)

    async def has_bulk(self, account_id: int, bulk_id: str) -> bool:
        """Whether a client of the account has used this bulkId. Asked anew each time."""
        async with self._pool.acquire() as conn:
            return bool(await find_client_ids(conn, [account_id], "bulk", [bulk_id]))

    async def policy(self, account_id: int, now: datetime) -> AccountPolicy:
        """What an account and its parts set."""
        return await self._policies.get(account_id, now) or AccountPolicy()

    async def sender(self, name: str, now: datetime) -> Sender | None:
        """The sender with this name, of whatever account."""
        return await self._senders.get(name, now)

    async def endpoint(self, account_id: int, url: str, content_type: str, now: datetime) -> int:
        """The endpoint of a URL and format, made on first use."""
        id_ = await self._endpoints.get((account_id, url, content_type), now)
        if id_ is None:
            raise LookupError("an endpoint was neither found nor made")
        return id_

    async def default_endpoint(self, account_id: int, now: datetime) -> int | None:
        """The account's own endpoint, if it has one."""
        return await self._defaults.get(account_id, now)

    async def blocked(
        self, account_id: int, destinations: Sequence[str], now: datetime
    ) -> frozenset[str]:
        """Which of these destinations the account blocks; asks only if it blocks any at all."""
        if not await self._blocks.get(account_id, now):
            return frozenset()
        async with self._pool.acquire() as conn:
            return await blocked_of(conn, account_id, destinations)

    async def subscriptions(self, account_id: int, now: datetime) -> tuple[Subscription, ...]:
        """Where reports go of the account's messages that name no URL."""
        return await self._subscriptions.get(account_id, now) or ()

    async def _load_subscriptions(self, account_id: int) -> tuple[Subscription, ...]:
        async with self._pool.acquire() as conn:
            return await delivery_subscriptions(conn, account_id)

    async def _load_blocks(self, account_id: int) -> bool:
        async with self._pool.acquire() as conn:
            return await has_blocked(conn, account_id)

    async def _load_policy(self, account_id: int) -> AccountPolicy | None:
        async with self._pool.acquire() as conn:
            return await load_policy(conn, account_id)

    async def sms_routes(self, account_id: int, now: datetime) -> list[Routing]:
        """What the account's SMS routes take."""
        return await self._routings.get(account_id, now) or []

    async def _load_routings(self, account_id: int) -> list[Routing]:
        async with self._pool.acquire() as conn:
            return await routing_of(conn, account_id)

    async def _load_sender(self, name: str) -> Sender | None:
        async with self._pool.acquire() as conn:
            return await find_sender(conn, name)

    async def _make_endpoint(self, asked: tuple[int, str, str]) -> int:
        account_id, url, content_type = asked
        async with self._pool.acquire() as conn:
            return await ensure_endpoint(
                conn,
                account_id=account_id,
                url=url,
                content_type=content_type,
                now=self._clock.now(),
            )

    async def _load_default(self, account_id: int) -> int | None:
        async with self._pool.acquire() as conn:
            return await default_endpoint(conn, account_id)
