"""Keys and users as declared."""

from collections.abc import Iterable
from ipaddress import ip_network

from linegate.admin.desired import DocumentError, Key, User
from linegate.admin.notes import Place
from linegate.domain.caller import Network, PlatformRule
from linegate.domain.keys import ALL_SCOPES, KNOWN_SCOPES, digest_of
from linegate.domain.policy import Limits
from linegate.postgres.admin import find_key_of, set_key_rules, set_user_rules
from linegate.postgres.identities import (
    KeyRules,
    find_key,
    insert_key,
    insert_user,
    list_users,
)
from linegate.postgres.pool import Connection

__all__ = ["apply_key", "apply_user"]

_SHORTEST_KEY = 32
_HINT = 8
_SHORTEST_PASSWORD = 12


async def apply_key(conn: Connection, wanted: Key, place: Place) -> None:
    """Store a key that the operator made, or change its rules."""
    text = place.text_of(wanted.key)
    subject = place.subject("key", wanted.name or text[:4] + "...")
    if len(text) < _SHORTEST_KEY:
        raise DocumentError(f"{subject}: a key has at least {_SHORTEST_KEY} characters")
    rules = _rules(wanted, subject)
    limits = Limits(wanted.requests_per_second, wanted.messages_per_day, wanted.messages_waiting)
    digest = digest_of(text)
    known = await find_key(conn, digest)
    if known is None:
        id_ = await insert_key(
            conn,
            account_id=place.account_id,
            name=wanted.name,
            digest=digest,
            hint=text[:_HINT],
            rules=rules,
            now=place.now,
        )
        place.notes.made(subject)
        await set_key_rules(conn, place.account_id, id_, rules, limits, enabled=wanted.enabled)
        return
    found = await find_key_of(conn, place.account_id, digest)
    if found is None:
        raise DocumentError(f"{subject}: this key is another account's")
    if place.notes.differ(
        subject,
        scopes=(sorted(known.rules.scopes), sorted(rules.scopes)),
        expires=(known.rules.expires_at, rules.expires_at),
        allowed_addresses=(_texts(known.rules.networks), _texts(rules.networks)),
        application=(known.rules.application, rules.application),
        entity=(known.rules.entity, rules.entity),
        limits=(found.limits, limits),
        enabled=(known.enabled, wanted.enabled),
    ):
        await set_key_rules(conn, place.account_id, found.id, rules, limits, enabled=wanted.enabled)


async def apply_user(conn: Connection, wanted: User, place: Place) -> None:
    """Create a user, or change what it may do; its password counts when it is created."""
    subject = place.subject("user", wanted.name)
    scopes = _scopes(wanted.scopes, subject)
    known = {each.name: each for each in await list_users(conn, place.account_id)}
    now = known.get(wanted.name)
    if now is None:
        password = place.text_of(wanted.password)
        if len(password) < _SHORTEST_PASSWORD:
            raise DocumentError(
                f"{subject}: a password has at least {_SHORTEST_PASSWORD} characters"
            )
        id_ = await insert_user(
            conn,
            account_id=place.account_id,
            name=wanted.name,
            password_hash=place.hands.hash_password(password),
            scopes=sorted(scopes),
            networks=frozenset(),
            now=place.now,
        )
        if id_ is None:
            raise DocumentError(f"{subject}: another account has a user of that name")
        place.notes.made(subject)
    elif not place.notes.differ(
        subject,
        scopes=(sorted(now.scopes), sorted(scopes)),
        enabled=(now.enabled, wanted.enabled),
    ):
        return
    await set_user_rules(conn, place.account_id, wanted.name, scopes, enabled=wanted.enabled)


def _rules(wanted: Key, subject: str) -> KeyRules:
    if wanted.expires is not None and wanted.expires.tzinfo is None:
        raise DocumentError(f"{subject}: expires needs an offset, like 2027-01-31T00:00:00Z")
    try:
        networks = frozenset(ip_network(text) for text in wanted.allowed_addresses)
    except ValueError as error:
        raise DocumentError(f"{subject}: {error}") from error
    return KeyRules(
        scopes=_scopes(wanted.scopes, subject),
        expires_at=wanted.expires,
        networks=networks,
        application=_rule(wanted.fill_application, wanted.force_application, subject),
        entity=_rule(wanted.fill_entity, wanted.force_entity, subject),
    )


def _scopes(asked: list[str] | None, subject: str) -> frozenset[str]:
    unknown = sorted(set(asked or ()) - set(KNOWN_SCOPES))
    if unknown:
        raise DocumentError(f"{subject}: unknown scope {', '.join(unknown)}")
    return frozenset(ALL_SCOPES if asked is None else asked)


def _rule(fill: str | None, force: str | None, subject: str) -> PlatformRule | None:
    if fill and force:
        raise DocumentError(f"{subject}: fill and force exclude each other")
    return PlatformRule(force or fill or "", forced=bool(force)) if fill or force else None


def _texts(networks: Iterable[Network]) -> list[str]:
    return sorted(str(network) for network in networks)
