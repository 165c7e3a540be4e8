"""Keys and users: given out, changed, rotated."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from msgspec import UnsetType

from linegate.admin.desired import DocumentError, Key, KeySettings, User, declared, either
from linegate.admin.notes import Place, Spot
from linegate.domain.caller import Network, PlatformRule
from linegate.domain.keys import ALL_SCOPES, KNOWN_SCOPES, digest_of, format_key
from linegate.domain.policy import Limits
from linegate.postgres.admin import UserRules, lock_key, set_key_rules, set_user_rules
from linegate.postgres.identities import (
    KeyListed,
    KeyRules,
    find_key,
    insert_key,
    insert_user,
    list_users,
)
from linegate.postgres.pool import Connection

__all__ = [
    "HINT",
    "SHORTEST_PASSWORD",
    "Made",
    "apply_key",
    "change_key",
    "create_key",
    "declared_key",
    "digest_given",
    "make_key",
    "put_user",
    "scopes_of",
]

HINT = 8
"""Characters of a key that are kept readable."""

SHORTEST_PASSWORD = 12

_SHORTEST_KEY = 32


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, and what of it is stored."""

    key: str
    hint: str
    digest: bytes


def make_key() -> Made:
    """A key that nobody can guess."""
    made = format_key(os.urandom(16), os.urandom(16))
    return Made(made, made[:HINT], digest_of(made))


def declared_key(asked: KeySettings) -> KeySettings:
    """As a declaration or a new key means it: what is left out has its default."""
    none = (
        *("scopes", "valid_from", "expires", "allowed_addresses", "fill_application"),
        *("force_application", "fill_entity", "force_entity", "requests_per_second"),
        *("messages_per_day", "messages_waiting"),
    )
    return declared(asked, name="", enabled=True, **dict.fromkeys(none))


async def create_key(conn: Connection, made: Made, asked: KeySettings, place: Spot) -> int:
    """Store a key with its rules; gives its id. Raises: DocumentError."""
    asked = declared_key(asked)
    name = either(asked.name, "")
    rules = _rules(asked, None, place.subject("key", name))
    id_ = await insert_key(
        conn,
        account_id=place.account_id,
        name=name,
        digest=made.digest,
        hint=made.hint,
        rules=rules,
        now=place.now,
    )
    limits = _limits(asked, Limits())
    enabled = either(asked.enabled, True)
    await set_key_rules(conn, place.account_id, id_, rules, limits, name=name, enabled=enabled)
    place.notes.made(place.subject("key", name or str(id_)))
    return id_


async def change_key(conn: Connection, key_id: int, asked: KeySettings, place: Spot) -> bool:
    """Set what is asked of a key; False if the account has no such one. Raises: DocumentError."""
    now = await lock_key(conn, place.account_id, id_=key_id)
    if now is None:
        return False
    await _change(conn, now, asked, place)
    return True


async def apply_key(conn: Connection, wanted: Key, place: Place) -> None:
    """Store a key that the operator made, or give it the declared rules. Raises: DocumentError."""
    text = place.text_of(wanted.key)
    subject = place.subject("key", either(wanted.name, "") or text[:4] + "...")
    if len(text) < _SHORTEST_KEY:
        raise DocumentError(f"{subject}: a key has at least {_SHORTEST_KEY} characters")
    made = Made(text, text[:HINT], digest_of(text))
    known = await find_key(conn, made.digest)
    if known is None:
        await create_key(conn, made, wanted, place)
        return
    now = await lock_key(conn, place.account_id, id_=known.id)
    if now is None:
        raise DocumentError(f"{subject}: this key is another account's")
    await _change(conn, now, declared_key(wanted), place)


def digest_given(wanted: Key, place: Place) -> bytes:
    """What is stored of a declared key."""
    return digest_of(place.text_of(wanted.key))


async def _change(conn: Connection, now: KeyListed, asked: KeySettings, place: Spot) -> None:
    subject = place.subject("key", now.name or str(now.id))
    was, rules = now.rules, _rules(asked, now.rules, subject)
    limits, name = _limits(asked, now.limits), either(asked.name, now.name)
    enabled = either(asked.enabled, now.enabled)
    if place.notes.differ(
        subject,
        name=(now.name, name),
        scopes=(sorted(was.scopes), sorted(rules.scopes)),
        valid_from=(was.valid_from, rules.valid_from),
        expires=(was.expires_at, rules.expires_at),
        allowed_addresses=(_texts(was.networks), _texts(rules.networks)),
        application=(_shown(was.application), _shown(rules.application)),
        entity=(_shown(was.entity), _shown(rules.entity)),
        requests_per_second=(now.limits.requests_per_second, limits.requests_per_second),
        messages_per_day=(now.limits.messages_per_day, limits.messages_per_day),
        messages_waiting=(now.limits.waiting, limits.waiting),
        enabled=(now.enabled, enabled),
    ):
        await set_key_rules(
            conn, place.account_id, now.id, rules, limits, name=name, enabled=enabled
        )


async def put_user(conn: Connection, asked: User, place: Place) -> None:
    """Create a user, or change what it may do. Raises: DocumentError."""
    subject = place.subject("user", asked.name)
    known = {each.name: each for each in await list_users(conn, place.account_id)}
    now = known.get(asked.name)
    if now is None:
        asked = declared(asked, scopes=None, allowed_addresses=None, operator=False, enabled=True)
    rules = UserRules(
        scopes_of(asked.scopes, now.scopes if now else None, subject),
        _networks(asked.allowed_addresses, now.networks if now else frozenset(), subject),
        either(asked.operator, now is not None and now.is_operator),
        either(asked.enabled, now is None or now.enabled),
    )
    if now is None:
        await _create_user(conn, asked, rules, subject, place)
    elif not place.notes.differ(
        subject,
        scopes=(sorted(now.scopes), sorted(rules.scopes)),
        allowed_addresses=(_texts(now.networks), _texts(rules.networks)),
        operator=(now.is_operator, rules.is_operator),
        enabled=(now.enabled, rules.enabled),
    ):
        return
    await set_user_rules(conn, place.account_id, asked.name, rules)


async def _create_user(
    conn: Connection, asked: User, rules: UserRules, subject: str, place: Place
) -> None:
    if isinstance(asked.password, UnsetType):
        raise DocumentError(f"{subject}: a new user needs a password")
    password = place.text_of(asked.password)
    if len(password) < SHORTEST_PASSWORD:
        raise DocumentError(f"{subject}: a password has at least {SHORTEST_PASSWORD} characters")
    id_ = await insert_user(
        conn,
        account_id=place.account_id,
        name=asked.name,
        password_hash=place.hands.hash_password(password),
        scopes=sorted(rules.scopes),
        networks=rules.networks,
        now=place.now,
    )
    if id_ is None:
        raise DocumentError(f"{subject}: another account has a user of that name")
    place.notes.made(subject)


def _limits(asked: KeySettings, now: Limits) -> Limits:
    return Limits(
        either(asked.requests_per_second, now.requests_per_second),
        either(asked.messages_per_day, now.messages_per_day),
        either(asked.messages_waiting, now.waiting),
    )


def _rules(asked: KeySettings, now: KeyRules | None, subject: str) -> KeyRules:
    for name, instant in (("valid_from", asked.valid_from), ("expires", asked.expires)):
        if instant and instant.tzinfo is None:
            raise DocumentError(f"{subject}: {name} needs an offset, like 2027-01-31T00:00:00Z")
    before = now or KeyRules(frozenset())
    return KeyRules(
        scopes=scopes_of(asked.scopes, now.scopes if now else None, subject),
        valid_from=either(asked.valid_from, before.valid_from),
        expires_at=either(asked.expires, before.expires_at),
        networks=_networks(asked.allowed_addresses, before.networks, subject),
        application=_rule(
            asked.fill_application, asked.force_application, before.application, subject
        ),
        entity=_rule(asked.fill_entity, asked.force_entity, before.entity, subject),
    )


def scopes_of(
    asked: Iterable[str] | UnsetType | None, now: frozenset[str] | None, subject: str
) -> frozenset[str]:
    """The scopes asked for, or those there are; None: all of its account. Raises: DocumentError."""
    if isinstance(asked, UnsetType) and now is not None:
        return now
    given = frozenset(ALL_SCOPES if asked is None or isinstance(asked, UnsetType) else asked)
    if unknown := sorted(given - set(KNOWN_SCOPES)):
        known = ", ".join(KNOWN_SCOPES)
        raise DocumentError(
            f"{subject}: unknown scope {', '.join(unknown)}; the scopes are {known}"
        )
    return given


def _networks(
    asked: Iterable[str] | UnsetType | None, now: frozenset[Network], subject: str
) -> frozenset[Network]:
    if isinstance(asked, UnsetType):
        return now
    try:
        return frozenset(ip_network(text) for text in asked or ())
    except ValueError as error:
        raise DocumentError(f"{subject}: allowed addresses: {error}") from error


def _rule(
    fill: str | UnsetType | None,
    force: str | UnsetType | None,
    now: PlatformRule | None,
    subject: str,
) -> PlatformRule | None:
    """The one that is given; either of them takes the place of what there was."""
    if isinstance(fill, UnsetType) and isinstance(force, UnsetType):
        return now
    given_fill, given_force = either(fill, None), either(force, None)
    if given_fill and given_force:
        raise DocumentError(f"{subject}: fill and force exclude each other")
    value = given_force or given_fill
    return PlatformRule(value, forced=bool(given_force)) if value else None


def _shown(rule: PlatformRule | None) -> str | None:
    return None if rule is None else f"{'force' if rule.forced else 'fill'} {rule.value}"


def _texts(networks: Iterable[Network]) -> list[str]:
    return sorted(str(network) for network in networks)
