"""Queries about SMS routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "NewRoute",
    "RouteRow",
    "Routing",
    "ShownRoute",
    "enable_route",
    "find_callback_route",
    "find_route",
    "hold_routes",
    "insert_route",
    "list_routes",
    "move_route",
    "release_routes",
    "remove_route",
    "reroute",
    "routing_of",
    "serve_route",
    "tell_routes",
]


class RouteRow(NamedTuple):
    """A route as a process needs it; the URL is sealed."""

    id: int
    account_id: int
    name: str
    kind: str
    url: bytes
    default_sender: str | None
    callback_token: str


@dataclass(frozen=True, slots=True)
class Routing:
    """What a route takes: empty prefixes or senders mean all."""

    prefixes: tuple[str, ...]
    senders: tuple[str, ...]
    default_sender: str | None

    def takes(self, destination: str, sender: str | None) -> bool:
        """Whether it would carry an SMS; the same rule as `best_sms_route` in SQL."""
        actual = sender or self.default_sender
        return (
            actual is not None
            and (not self.prefixes or destination.startswith(self.prefixes))
            and (not self.senders or actual in self.senders)
        )


class NewRoute(NamedTuple):
    """A route to create; the URL is sealed, callback_token hard to guess."""

    account_id: int
    name: str
    kind: str
    url: bytes
    shown: str
    prefixes: Sequence[str]
    senders: Sequence[str]
    default_sender: str | None
    priority: int
    callback_token: str


class ShownRoute(NamedTuple):
    """A route as an operator sees it. is_up None: nobody has tried yet."""

    id: int
    account: str
    name: str
    kind: str
    shown: str
    prefixes: list[str]
    senders: list[str]
    default_sender: str | None
    priority: int
    enabled: bool
    is_up: bool | None
    down_since: datetime | None
    trouble: str
    leased_until: datetime | None


async def insert_route(conn: Connection, route: NewRoute, *, now: datetime) -> int | None:
    """Create a route; None if the account has one of that name."""
    id_: int | None = await bundled().insert_sms_route.value(conn, **route._asdict(), now=now)
    return id_


async def move_route(
    conn: Connection, account_id: int, name: str, *, url: bytes, shown: str
) -> None:
    """Reach a route by another URL, which is sealed."""
    await bundled().move_sms_route.exec(
        conn, account_id=account_id, name=name, url=url, shown=shown
    )


async def serve_route(
    conn: Connection,
    account_id: int,
    name: str,
    *,
    prefixes: Sequence[str],
    senders: Sequence[str],
    default_sender: str | None,
    priority: int,
) -> None:
    """Change what a route serves; empty prefixes or senders mean all."""
    await bundled().serve_sms_route.exec(
        conn,
        account_id=account_id,
        name=name,
        prefixes=prefixes,
        senders=senders,
        default_sender=default_sender,
        priority=priority,
    )


async def enable_route(conn: Connection, account_id: int, name: str, *, enabled: bool) -> bool:
    """Switch a route on or off; False if there is none of that name."""
    id_: int | None = await bundled().enable_sms_route.value(
        conn, account_id=account_id, name=name, enabled=enabled
    )
    return id_ is not None


async def remove_route(conn: Connection, account_id: int, name: str, *, now: datetime) -> bool:
    """Remove a route; False if there is none of that name, or SMS wait for it or are under way."""
    id_ = await bundled().remove_sms_route.value(conn, account_id=account_id, name=name, now=now)
    return id_ is not None


async def list_routes(conn: Connection, account_id: int | None) -> list[ShownRoute]:
    """The routes of an account; None: of all."""
    rows = await bundled().list_sms_routes.many(conn, account_id=account_id)
    return [ShownRoute(*row) for row in rows]


async def find_route(conn: Connection, account_id: int, name: str) -> RouteRow | None:
    """A route by its name."""
    row = await bundled().find_sms_route.one(conn, account_id=account_id, name=name)
    return None if row is None else RouteRow(*row)


async def find_callback_route(conn: Connection, token: str) -> RouteRow | None:
    """The route that a provider's call names."""
    row = await bundled().find_callback_route.one(conn, token=token)
    return None if row is None else RouteRow(*row)


async def routing_of(conn: Connection, account_id: int) -> list[Routing]:
    """What an account's routes take."""
    rows = await bundled().routing_of.many(conn, account_id=account_id)
    return [
        Routing(tuple(row["prefixes"]), tuple(row["senders"]), row["default_sender"])
        for row in rows
    ]


async def hold_routes(
    conn: Connection, process: int, *, leased_until: datetime, now: datetime
) -> list[RouteRow]:
    """Hold every route that is free or ours; gives them."""
    rows = await bundled().hold_sms_routes.many(
        conn, process=process, leased_until=leased_until, now=now
    )
    return [RouteRow(*row) for row in rows]


async def release_routes(conn: Connection, process: int) -> None:
    """Hold nothing any more."""
    await bundled().release_sms_routes.exec(conn, process=process)


async def tell_routes(
    conn: Connection, process: int, told: Sequence[tuple[int, bool, str]], *, now: datetime
) -> None:
    """Write how routes are doing: id, up, trouble."""
    ordered = sorted(told)
    await bundled().tell_sms_routes.exec(
        conn,
        process=process,
        ids=[id_ for id_, _, _ in ordered],
        ups=[up for _, up, _ in ordered],
        troubles=[trouble for _, _, trouble in ordered],
        now=now,
    )


async def reroute(conn: Connection, *, before: datetime, limit: int) -> int:
    """Move due SMS of routes that have been down since `before` or are gone; gives how many."""
    return await bundled().reroute_sms.exec(conn, before=before, limit=limit)
