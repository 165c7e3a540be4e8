"""A running API on a test's database, over real HTTP, and what it takes to call it."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from linegate.api_service import build_api
from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import Clock
from linegate.config import Settings, load
from linegate.metrics import Metrics
from linegate.postgres.store import Store
from linegate.service import opened_store, served

__all__ = ["ACCOUNT", "CHANNEL_SECRET", "SENDER", "Answer", "Gateway", "a_request", "running_api"]

ACCOUNT = "acme"
SENDER = "ACME"
CHANNEL_SECRET = "8c570fa6dd201bb328f1c1eac23a96d8"
_SECRET_KEY = base64.b64encode(bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


class Gateway:
    """One running API and a client of it."""

    def __init__(
        self,
        url: str,
        store: Store,
        session: aiohttp.ClientSession,
        routes: Sequence[BaseRoute] = (),
    ) -> None:
        self.url = url
        self.store = store
        self.routes = routes
        self._session = session

    async def call(
        self,
        method: str,
        path: str,
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        json: object = None,
    ) -> Answer:
        """Make one request."""
        sent = dict(headers or {})
        if authorization is not None:
            sent["Authorization"] = authorization
        async with self._session.request(
            method, self.url + path, headers=sent, data=data, json=json, allow_redirects=False
        ) as response:
            body = await response.read()
            is_json = response.content_type == "application/json" and body
            parsed = await response.json() if is_json else None
            return Answer(response.status, response.headers, body, parsed)


@asynccontextmanager
async def running_api(dsn: str, clock: Clock, **environment: str) -> AsyncIterator[Gateway]:
    """The API on this database while the block lasts, with account ACCOUNT and sender SENDER.

    environment: settings, as `body_limit="2KB"`.
    """
    settings = settings_for(dsn, **environment)
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            opened_store(settings, clock, connections=5, application="linegate test")
        )
        await _ensure_account(store)
        app = await build_api(stack, store, settings, clock, Metrics(registry), lambda: registry)
        url = await stack.enter_async_context(served(app, "127.0.0.1", 0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Gateway(url, store, session, app.routes)


def settings_for(dsn: str, **environment: str) -> Settings:
    """The settings of a process on this database."""
    given = {f"LINEGATE_{name.upper()}": value for name, value in environment.items()}
    return load(
        environment={
            "LINEGATE_DATABASE_URL": dsn,
            "LINEGATE_SECRET_KEY": _SECRET_KEY,
            **given,
        }
    )


async def _ensure_account(store: Store) -> None:
    async with store.pool.acquire() as conn:
        if await conn.fetchval("SELECT 1 FROM account WHERE name = $1", ACCOUNT):
            return
    await create_account(store, ACCOUNT)
    await create_sender(
        store, ACCOUNT, SENDER, channel_id="1", channel_secret=CHANNEL_SECRET, token=None
    )


def a_request(*destinations: str, **more: Any) -> dict[str, Any]:
    """A valid request to these numbers, or to one; `more` replaces members of its message."""
    numbers = destinations or ("819010000001",)
    bubble = {
        "type": "BUBBLE",
        "body": {"layout": "VERTICAL", "contents": [{"type": "TEXT", "text": "Shipped"}]},
    }
    content = {"type": "LINE_NOTIFICATION", "altText": "Shipped", "contents": bubble}
    message = {
        "sender": SENDER,
        "destinations": [{"to": number} for number in numbers],
        "content": content,
        **more,
    }
    return {"messages": [message]}
