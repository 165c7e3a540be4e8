"""Commands: the endpoints that delivery reports go to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from linegate.cli.accounts import webhook
from linegate.cli.console import CommandError, JsonFlag, actor, read_settings, show, with_store
from linegate.clock import SystemClock
from linegate.domain.report import FinishedMessage
from linegate.domain.wiretime import format_instant, parse_instant
from linegate.postgres.audit import By
from linegate.postgres.endpoints import (
    EndpointRow,
    endpoint_for_test,
    list_endpoints,
)
from linegate.postgres.store import Store
from linegate.report.again import Again, Span
from linegate.report.bodies import encode_reports
from linegate.report.target import Target, Targets
from linegate.sealing import account_context
from linegate.webhook.client import PushOutcome, WebhookClient
from linegate.webhook.guard import Guard
from linegate.webhook.oauth import TokenRefused, Tokens

__all__ = [
    "webhook",
    "webhook_list",
    "webhook_replay",
    "webhook_retry",
    "webhook_show",
    "webhook_test",
]

T = TypeVar("T")
Id = Annotated[int, typer.Argument(help="The endpoint's id, as `webhook list` shows it.")]


@dataclass(frozen=True, slots=True)
class _Tried:
    endpoint: EndpointRow
    outcome: PushOutcome | TokenRefused


@webhook.command("list")
def webhook_list(
    owner: Annotated[str | None, typer.Option("--account", help="Only this account's.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """List endpoints: their state, what waits for them and what was given up."""

    async def work(store: Store) -> list[EndpointRow]:
        async with store.pool.acquire() as conn:
            return await list_endpoints(conn, account=owner)

    rows = with_store(work)
    lines = [
        f"{row.id}  {row.account}  {row.state}  waiting {row.waiting}  given up {row.given_up}"
        f"  {row.url}"
        for row in rows
    ]
    show({"endpoints": [_shown(row) for row in rows]}, as_json=as_json, plain="\n".join(lines))


@webhook.command("show")
def webhook_show(id_: Id, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Show everything about one endpoint."""
    row = with_store(lambda store: _row(store, id_))
    shown = _shown(row)
    lines = [f"{name}: {value}" for name, value in shown.items() if value is not None]
    show(shown, as_json=as_json, plain="\n".join(lines))


@webhook.command("retry")
def webhook_retry(id_: Id, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Try now what waits for an endpoint, whatever it was in doubt for."""

    async def work(store: Store) -> int:
        count = await Again(store.pool).retry(id_, By(actor(), SystemClock().now()))
        return _known(count, id_)

    count = with_store(work)
    show({"endpoint": id_, "broughtForward": count}, as_json=as_json, plain=str(count))


@webhook.command("replay")
def webhook_replay(
    id_: Id,
    since: Annotated[str, typer.Option(help="From here on: 2026-01-15T09:00:00+0000.")],
    until: Annotated[str | None, typer.Option(help="To here; now if not given.")] = None,
    with_taken: Annotated[
        bool, typer.Option("--all", help="Also what the endpoint had taken.")
    ] = False,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Push an endpoint's reports of a range of time again: what was given up, or all of them."""
    now = SystemClock().now()
    end = _instant(until, "--until") if until else now
    span = Span(_instant(since, "--since"), end, with_taken=with_taken)

    async def work(store: Store) -> int:
        return _known(await Again(store.pool).span(id_, span, By(actor(), now)), id_)

    count = with_store(work)
    show({"endpoint": id_, "queued": count}, as_json=as_json, plain=str(count))


@webhook.command("test")
def webhook_test(id_: Id, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Push one made-up report to an endpoint, signed and secured as a real one. Fails with 1."""
    tried = with_store(lambda store: _test(store, id_))
    outcome = tried.outcome
    if isinstance(outcome, TokenRefused):
        shown: dict[str, object] = {"result": "failed", "code": 0, "detail": outcome.reason}
    else:
        kind = outcome.kind.value
        shown = {"result": kind, "code": outcome.code, "detail": outcome.detail}
    words = f"{shown['result']} {shown['code']} {shown['detail']}".strip()
    show({"endpoint": id_, "url": tried.endpoint.url, **shown}, as_json=as_json, plain=words)
    if shown["result"] != "taken":
        raise typer.Exit(1)


async def _test(store: Store, id_: int) -> _Tried:
    row = await _row(store, id_)
    async with store.pool.acquire() as conn:
        endpoint = await endpoint_for_test(conn, id_)
    if endpoint is None:
        raise CommandError(f"there is no endpoint {id_}")
    target = Targets(
        lambda name, what, sealed: store.vault.open(sealed, context=account_context(name, what))
    ).of(endpoint)
    clock = SystemClock()
    guard = Guard(allow_private=read_settings().webhook_allow_private)
    async with WebhookClient(guard) as client:
        token = await target.token(Tokens(client, clock))
        if isinstance(token, TokenRefused):
            return _Tried(row, token)
        return _Tried(row, await _post(client, target, token, clock.now()))


async def _post(
    client: WebhookClient, target: Target, token: str | None, now: datetime
) -> PushOutcome:
    body = encode_reports([_made_up(now)], target.content_type)
    headers = target.headers_for(body, delivery_id=f"test_{target.id}", token=token, now=now)
    return await client.post(
        target.url,
        body=body,
        content_type=target.content_type,
        headers=headers,
        options=target.options,
    )


def _made_up(now: datetime) -> FinishedMessage:
    """A report of no message; the number is one that nobody has."""
    return FinishedMessage(
        id=0,
        client_id="TEST-MESSAGE",
        bulk_id=0,
        bulk_client_id="TEST-BULK",
        destination="819000000000",
        sender="TEST",
        status=5,
        error=0,
        sent_at=now - timedelta(seconds=1),
        done_at=now,
        callback_data="linegate webhook test",
    )


async def _row(store: Store, id_: int) -> EndpointRow:
    async with store.pool.acquire() as conn:
        rows = await list_endpoints(conn, endpoint_id=id_)
    return _known(rows[0] if rows else None, id_)


def _known(found: T | None, id_: int) -> T:
    if found is None:
        raise CommandError(f"there is no endpoint {id_}: see linegate webhook list")
    return found


def _shown(row: EndpointRow) -> dict[str, object]:
    shown: dict[str, object] = {"id": row.id, "account": row.account, "state": row.state}
    shown |= {
        "url": row.url,
        "contentType": row.content_type,
        "profileId": row.profile_id,
        "isDefault": row.is_default,
        "waiting": row.waiting,
        "givenUp": row.given_up,
        "failures": row.failures,
        "lastError": row.last_error,
    }
    for name, at in (
        ("nextTryAt", row.next_at),
        ("restsUntil", row.probe_at),
        ("lastTakenAt", row.taken_at),
        ("goneAt", row.gone_at),
    ):
        shown[name] = None if at is None else format_instant(at)
    return shown


def _instant(text: str, option: str) -> datetime:
    at = parse_instant(text)
    if at is None:
        raise typer.BadParameter(f"{option} must be an instant such as 2026-01-15T09:00:00+0000")
    return at
