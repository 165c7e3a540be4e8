"""Commands: `linegate key`."""

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from linegate.admin.settings import KeyChange, change_key
from linegate.cli.access import Addresses, Scopes, instant_of, networks_of, scopes_of, span_of
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.cli.setting import CLEAR, asked, whole
from linegate.clock import SystemClock
from linegate.domain.caller import PlatformRule
from linegate.domain.keys import ALL_SCOPES, digest_of, format_key
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

_HINT = 8  # characters of the key that are kept readable

key = typer.Typer(help="API keys.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Made:
    key: str
    hint: str
    digest: bytes


@key.command("create")
def key_create(  # noqa: PLR0913, PLR0917 - one option each
    owner: AccountName,
    scope: Scopes = None,
    name: Annotated[str, typer.Option(help="A name to tell keys apart.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, or 2027-01-31T00:00:00Z.")
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option(help="When it begins: 2h, or 2027-01-01T00:00:00Z.")
    ] = None,
    allow_address: Addresses = None,
    fill_application: Annotated[
        str | None, typer.Option(help="The applicationId of requests that give none.")
    ] = None,
    force_application: Annotated[
        str | None, typer.Option(help="The applicationId of every request.")
    ] = None,
    fill_entity: Annotated[
        str | None, typer.Option(help="The entityId of requests that give none.")
    ] = None,
    force_entity: Annotated[str | None, typer.Option(help="The entityId of every request.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create an API key and print it. It is shown this once: only its digest is stored."""

    async def work(store: Store) -> str:
        now = SystemClock().now()
        rules = KeyRules(
            scopes=scopes_of(scope),
            valid_from=instant_of(valid_from, "--valid-from", now) if valid_from else None,
            expires_at=instant_of(expires, "--expires", now) if expires else None,
            networks=networks_of(allow_address),
            application=_rule(fill_application, force_application, "application"),
            entity=_rule(fill_entity, force_entity, "entity"),
        )
        return await create_key(store, owner, name=name, rules=rules)

    made = with_store(work)
    show({"key": made, "account": owner}, as_json=as_json, plain=made)


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
    made = _make()

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


@key.command("set")
def key_set(
    owner: AccountName,
    key_id: int,
    requests_per_second: Annotated[
        str | None, typer.Option(help=f"Most requests in a second; {CLEAR}.")
    ] = None,
    messages_per_day: Annotated[
        str | None, typer.Option(help=f"Most messages of a UTC day; {CLEAR}.")
    ] = None,
    messages_waiting: Annotated[
        str | None, typer.Option(help=f"Most messages that have not ended; {CLEAR}.")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Change limits of one key, beside those of its account. Counts within 2 seconds."""
    tree = {
        "requestsPerSecond": whole(requests_per_second),
        "messagesPerDay": whole(messages_per_day),
        "messagesWaiting": whole(messages_waiting),
    }

    async def work(store: Store) -> KeyListed:
        async with store.pool.acquire() as conn, conn.transaction():
            account_id = await account_id_of(conn, owner)
            if not await change_key(conn, account_id, key_id, asked(tree, KeyChange)):
                raise CommandError(f"{owner} has no key {key_id}")
            return next(each for each in await list_keys(conn, account_id) if each.id == key_id)

    show(_shown(with_store(work)), as_json=as_json, plain=str(key_id))


async def create_key(store: Store, owner: str, *, name: str, rules: KeyRules | None = None) -> str:
    """Create a key of an account, with all scopes unless told otherwise; gives the key."""
    made = _make()
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


def _make() -> _Made:
    made = format_key(os.urandom(16), os.urandom(16))
    return _Made(made, made[:_HINT], digest_of(made))


def _rule(fill: str | None, force: str | None, what: str) -> PlatformRule | None:
    if fill and force:
        raise CommandError(f"--fill-{what} and --force-{what} exclude each other")
    if not fill and not force:
        return None
    return PlatformRule(force or fill or "", forced=bool(force))


def _switch(owner: str, key_id: int, *, enabled: bool, as_json: bool) -> None:
    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            if not await enable_key(conn, account_id, key_id, enabled=enabled):
                raise CommandError(f"{owner} has no key {key_id}")

    with_store(work)
    show({"id": key_id, "enabled": enabled}, as_json=as_json, plain=str(key_id))


def _shown(each: KeyListed) -> dict[str, object]:
    rules, now = each.rules, SystemClock().now()
    state = "enabled" if each.enabled else "disabled"
    if rules.expires_at is not None and rules.expires_at <= now:
        state = "expired"
    return {
        "id": each.id,
        "hint": each.hint,
        "name": each.name,
        "state": state,
        "scopes": sorted(rules.scopes),
        "validFrom": rules.valid_from.isoformat() if rules.valid_from else None,
        "expires": rules.expires_at.isoformat() if rules.expires_at else None,
        "allowedAddresses": sorted(str(network) for network in rules.networks),
        "application": _shown_rule(rules.application),
        "entity": _shown_rule(rules.entity),
        "requestsPerSecond": each.limits.requests_per_second,
        "messagesPerDay": each.limits.messages_per_day,
        "messagesWaiting": each.limits.waiting,
        "waiting": each.waiting,
        "created": each.created_at.isoformat(),
    }


def _shown_rule(rule: PlatformRule | None) -> dict[str, str] | None:
    if rule is None:
        return None
    return {"value": rule.value, "action": "FORCE" if rule.forced else "FILL"}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
