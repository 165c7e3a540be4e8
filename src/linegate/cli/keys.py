"""Commands: `linegate key`."""

from typing import Annotated

import typer

from linegate.admin import callers as admin
from linegate.admin.callers import make_key
from linegate.admin.desired import KeySettings
from linegate.admin.removal import drop_key
from linegate.api.operator_shown import shown_key
from linegate.cli.access import Addresses, Scopes, instant_of, span_of
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.cli.setting import CLEAR, asked, at_account, listed, whole
from linegate.clock import SystemClock
from linegate.domain.keys import ALL_SCOPES
from linegate.postgres.admin import lock_key
from linegate.postgres.identities import (
    KeyListed,
    KeyRules,
    enable_key,
    insert_key,
    list_keys,
    rotate_key,
)
from linegate.postgres.store import Store

__all__ = ["create_key", "key"]

key = typer.Typer(help="API keys.", no_args_is_help=True)


Expires = Annotated[str | None, typer.Option(help="When it ends: 90d, or 2027-01-31T00:00:00Z.")]
ValidFrom = Annotated[str | None, typer.Option(help="When it begins: 2h, or 2027-01-01T00:00:00Z.")]
FillApplication = Annotated[
    str | None, typer.Option(help="The applicationId of requests that give none.")
]
ForceApplication = Annotated[str | None, typer.Option(help="The applicationId of every request.")]
FillEntity = Annotated[str | None, typer.Option(help="The entityId of requests that give none.")]
ForceEntity = Annotated[str | None, typer.Option(help="The entityId of every request.")]
RequestsPerSecond = Annotated[str | None, typer.Option(help="Most requests in a second.")]
MessagesPerDay = Annotated[str | None, typer.Option(help="Most messages of a UTC day.")]
MessagesWaiting = Annotated[str | None, typer.Option(help="Most messages that have not ended.")]


@key.command("create")
def key_create(  # noqa: PLR0913, PLR0917 - one option each
    owner: AccountName,
    scope: Scopes = None,
    name: Annotated[str, typer.Option(help="A name to tell keys apart.")] = "",
    expires: Expires = None,
    valid_from: ValidFrom = None,
    allow_address: Addresses = None,
    fill_application: FillApplication = None,
    force_application: ForceApplication = None,
    fill_entity: FillEntity = None,
    force_entity: ForceEntity = None,
    requests_per_second: RequestsPerSecond = None,
    messages_per_day: MessagesPerDay = None,
    messages_waiting: MessagesWaiting = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create an API key and print it. It is shown this once: only its digest is stored."""
    made = make_key()

    async def work(store: Store) -> None:
        tree = {
            "name": name,
            "scopes": scope or None,
            "expires": _instant(expires, "--expires"),
            "validFrom": _instant(valid_from, "--valid-from"),
            "allowedAddresses": listed(allow_address),
            "fillApplication": fill_application,
            "forceApplication": force_application,
            "fillEntity": fill_entity,
            "forceEntity": force_entity,
            "requestsPerSecond": whole(requests_per_second),
            "messagesPerDay": whole(messages_per_day),
            "messagesWaiting": whole(messages_waiting),
        }
        async with at_account(store, owner) as (conn, place):
            await admin.create_key(conn, made, asked(tree, KeySettings), place)

    with_store(work)
    show({"key": made.key, "account": owner}, as_json=as_json, plain=made.key)


@key.command("list")
def key_list(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """List an account's keys: id, first characters, name, state, scopes."""

    async def work(store: Store) -> list[KeyListed]:
        async with store.pool.acquire() as conn:
            return await list_keys(conn, await account_id_of(conn, owner))

    keys = [_shown(each) for each in with_store(work)]
    lines = [
        f"{each['id']}\t{each['hint']}...\t{each['name']}\t{each['state']}\t"
        f"{','.join(_texts(each['scopes']))}"
        for each in keys
    ]
    show({"account": owner, "keys": keys}, as_json=as_json, plain="\n".join(lines))


@key.command("disable")
def key_disable(
    owner: AccountName, key_id: int, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Stop a key from working, within 2 seconds."""
    _switch(owner, key_id, enabled=False, as_json=as_json)


@key.command("enable")
def key_enable(owner: AccountName, key_id: int, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Let a disabled key work again."""
    _switch(owner, key_id, enabled=True, as_json=as_json)


@key.command("rotate")
def key_rotate(
    owner: AccountName,
    key_id: int,
    grace: Annotated[str, typer.Option(help="How long the old key goes on working.")] = "24h",
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Print a new key with an old one's rules and length of life; the old one ends."""
    made = make_key()

    async def work(store: Store) -> int:
        now = SystemClock().now()
        async with store.pool.acquire() as conn:
            id_ = await rotate_key(
                conn,
                await account_id_of(conn, owner),
                key_id,
                digest=made.digest,
                hint=made.hint,
                ends_at=now + span_of(grace, "--grace"),
                now=now,
            )
        if id_ is None:
            raise CommandError(f"{owner} has no enabled key {key_id}")
        return id_

    id_ = with_store(work)
    show({"key": made.key, "id": id_, "account": owner}, as_json=as_json, plain=made.key)


@key.command("set", help=f"Change a key's rules and limits; what is not named stays, {CLEAR}.")
def key_set(  # noqa: PLR0913, PLR0917 - one option each
    owner: AccountName,
    key_id: int,
    scope: Scopes = None,
    name: Annotated[str | None, typer.Option(help="A name to tell keys apart.")] = None,
    expires: Expires = None,
    valid_from: ValidFrom = None,
    allow_address: Addresses = None,
    fill_application: FillApplication = None,
    force_application: ForceApplication = None,
    fill_entity: FillEntity = None,
    force_entity: ForceEntity = None,
    requests_per_second: RequestsPerSecond = None,
    messages_per_day: MessagesPerDay = None,
    messages_waiting: MessagesWaiting = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Counts within 2 seconds."""

    async def work(store: Store) -> KeyListed:
        tree = {
            "name": name,
            "scopes": listed(scope),
            "expires": _instant(expires, "--expires"),
            "validFrom": _instant(valid_from, "--valid-from"),
            "allowedAddresses": listed(allow_address),
            "fillApplication": fill_application,
            "forceApplication": force_application,
            "fillEntity": fill_entity,
            "forceEntity": force_entity,
            "requestsPerSecond": whole(requests_per_second),
            "messagesPerDay": whole(messages_per_day),
            "messagesWaiting": whole(messages_waiting),
        }
        async with at_account(store, owner) as (conn, place):
            if not await admin.change_key(conn, key_id, asked(tree, KeySettings), place):
                raise CommandError(f"{owner} has no key {key_id}")
            keys = await list_keys(conn, place.account_id)
            return next(each for each in keys if each.id == key_id)

    show(_shown(with_store(work)), as_json=as_json, plain=str(key_id))


@key.command("remove")
def key_remove(owner: AccountName, key_id: int, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Remove a key for good; `disable` is the way that can be taken back."""

    async def work(store: Store) -> None:
        async with at_account(store, owner) as (conn, place):
            key = await lock_key(conn, place.account_id, id_=key_id)
            if key is None or not await drop_key(conn, key.id, key.name, place):
                raise CommandError(f"{owner} has no key {key_id}")

    with_store(work)
    show({"id": key_id, "removed": True}, as_json=as_json, plain=str(key_id))


async def create_key(store: Store, owner: str, *, name: str, rules: KeyRules | None = None) -> str:
    """Create a key of an account, with all scopes unless told otherwise; gives the key."""
    made = make_key()
    async with store.pool.acquire() as conn:
        await insert_key(
            conn,
            account_id=await account_id_of(conn, owner),
            name=name,
            digest=made.digest,
            hint=made.hint,
            rules=rules or KeyRules(frozenset(ALL_SCOPES)),
            now=SystemClock().now(),
        )
    return made.key


def _instant(text: str | None, option: str) -> str | None:
    """An instant as the API writes it; `none` stays."""
    if text is None or text == "none":
        return text
    return instant_of(text, option, SystemClock().now()).isoformat()


def _switch(owner: str, key_id: int, *, enabled: bool, as_json: bool) -> None:
    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            if not await enable_key(conn, account_id, key_id, enabled=enabled):
                raise CommandError(f"{owner} has no key {key_id}")

    with_store(work)
    show({"id": key_id, "enabled": enabled}, as_json=as_json, plain=str(key_id))


def _shown(each: KeyListed) -> dict[str, object]:
    state = "enabled" if each.enabled else "disabled"
    ends = each.rules.expires_at
    if ends is not None and ends <= SystemClock().now():
        state = "expired"
    return {**shown_key(each), "state": state}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
