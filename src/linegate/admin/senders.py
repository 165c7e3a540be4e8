"""Senders: created, changed, paused."""

from collections.abc import Sequence
from decimal import Decimal

import phonenumbers
from msgspec import UNSET, UnsetType

from linegate.admin.desired import DocumentError, Secret, Sender, either
from linegate.admin.notes import Place
from linegate.domain.circuit import Hold
from linegate.line.assertion import AssertionKey, BadKey, read_key
from linegate.postgres.admin import price_of
from linegate.postgres.directory import SenderRow, hold_sender, insert_sender, resume_sender
from linegate.postgres.endpoints import set_price
from linegate.postgres.pool import Connection
from linegate.postgres.senders import SenderChange, list_senders, load_sender, set_sender
from linegate.postgres.sms_receipts import hear
from linegate.sealing import sender_context

__all__ = ["LINE_RATE", "check_countries", "pause_sender", "put_sender"]

LINE_RATE = 1900
"""Requests a second to one channel: a little below LINE's 2,000, for what network delay bunches."""


async def put_sender(conn: Connection, asked: Sender, place: Place) -> None:
    """Create a sender or change it; what is not given stays. Raises: DocumentError."""
    subject = place.subject("sender", asked.name)
    now = await load_sender(conn, place.account_id, asked.name)
    if now is None:
        await _create(conn, asked, subject, place)
    else:
        await _set_secrets(conn, asked, now, subject, place)
    await _set_rules(conn, asked, subject, place)
    await _set_price(conn, asked, subject, place)


async def pause_sender(
    conn: Connection, name: str, *, paused: bool, reason: str, place: Place
) -> bool:
    """Stop a sender, or let it go on whatever it was held for; False if there is none."""
    now = await load_sender(conn, place.account_id, name)
    if now is None:
        return False
    subject = place.subject("sender", name)
    if paused:
        place.notes.differ(subject, hold=(now.hold, Hold.PAUSED.value))
        await hold_sender(
            conn, now.id, hold=Hold.PAUSED.value, reason=reason, until=None, now=place.now
        )
    else:
        place.notes.differ(subject, hold=(now.hold, None))
        await resume_sender(conn, now.id, holds=[hold.value for hold in Hold])
        await hear(conn, [now.id])  # failover by silence goes on too
    return True


async def _create(conn: Connection, asked: Sender, subject: str, place: Place) -> None:
    if isinstance(asked.channel_id, UnsetType) or isinstance(asked.channel_secret, UnsetType):
        raise DocumentError(f"{subject}: a new sender needs a channel id and a channel secret")
    vault, token = place.hands.vault, _text(asked.access_token, place)
    secret = place.text_of(asked.channel_secret)
    made = await insert_sender(
        conn,
        account_id=place.account_id,
        name=asked.name,
        channel_id=asked.channel_id,
        channel_secret=vault.seal(secret, context=sender_context(asked.name, "secret")),
        access_token=vault.seal(token, context=sender_context(asked.name, "token"))
        if token
        else None,
        per_second=LINE_RATE,
        now=place.now,
    )
    if made is None:
        raise DocumentError(f"{subject}: another account has a sender of that name")
    place.notes.made(subject)
    key = _assertion(asked, None, subject, place)
    if key is not None:
        await set_sender(conn, place.account_id, asked.name, _sealed_key(key, asked.name, place))


async def _set_secrets(
    conn: Connection, asked: Sender, now: SenderRow, subject: str, place: Place
) -> None:
    vault, name = place.hands.vault, now.name
    if either(asked.channel_id, now.channel_id) != now.channel_id:
        raise DocumentError(f"{subject}: a sender keeps its channel; create another one")
    changes = []
    secret = _text(asked.channel_secret, place)
    if secret and vault.open(now.channel_secret, context=sender_context(name, "secret")) != secret:
        place.notes.secret(subject, "channel_secret")
        sealed = vault.seal(secret, context=sender_context(name, "secret"))
        changes.append(SenderChange(channel_secret=sealed))
    token = _text(asked.access_token, place)
    known = now.access_token and vault.open(now.access_token, context=sender_context(name, "token"))
    if token and known != token:
        place.notes.secret(subject, "access_token")
        sealed = vault.seal(token, context=sender_context(name, "token"))
        changes.append(SenderChange(access_token=sealed))
    if asked.access_token is None and known:
        place.notes.differ(subject, access_token=("(secret)", None))
        changes.append(SenderChange(no_token=True))
    key = _assertion(asked, now, subject, place)
    if key is not None and not _is_known(key, now, place):
        place.notes.secret(subject, "assertion_key")
        changes.append(_sealed_key(key, name, place))
    if asked.assertion_key is None and now.assertion_key:
        place.notes.differ(subject, assertion_key=("(secret)", None))
        changes.append(SenderChange(no_assertion=True))
    for change in changes:
        await set_sender(conn, place.account_id, name, change)


def _text(secret: Secret | UnsetType | None, place: Place) -> str | None:
    return None if secret is None or isinstance(secret, UnsetType) else place.text_of(secret)


def _assertion(
    asked: Sender, now: SenderRow | None, subject: str, place: Place
) -> AssertionKey | None:
    text = _text(asked.assertion_key, place)
    if text is None:
        if asked.assertion_kid is not UNSET:
            raise DocumentError(f"{subject}: an assertion kid belongs to an assertion key")
        return None
    key = read_key(text, either(asked.assertion_kid, now.assertion_kid if now else None))
    if isinstance(key, BadKey):
        raise DocumentError(f"{subject}: the assertion key: {key.reason}")
    return key


def _is_known(key: AssertionKey, now: SenderRow, place: Place) -> bool:
    if now.assertion_key is None or now.assertion_kid != key.kid:
        return False
    context = sender_context(now.name, "assertion_key")
    return place.hands.vault.open(now.assertion_key, context=context) == key.pem


def _sealed_key(key: AssertionKey, name: str, place: Place) -> SenderChange:
    sealed = place.hands.vault.seal(key.pem, context=sender_context(name, "assertion_key"))
    return SenderChange(assertion_key=sealed, assertion_kid=key.kid)


async def _set_rules(conn: Connection, asked: Sender, subject: str, place: Place) -> None:
    listed = {each.name: each for each in await list_senders(conn, place.account_id)}
    now = listed[asked.name]
    countries = sorted(either(asked.countries, now.countries))
    check_countries(countries, subject)
    templates = either(asked.templates, now.templates)
    strict = either(asked.strict_templates, now.strict_templates)
    country = either(asked.line_country, now.line_country)
    relay_url = either(asked.relay_url, now.relay_url)
    if place.notes.differ(
        subject,
        countries=(sorted(now.countries), countries),
        templates=(now.templates, templates),
        strict_templates=(now.strict_templates, strict),
        line_country=(now.line_country, country),
        relay_url=(now.relay_url, relay_url),
    ):
        rules = SenderChange(
            countries=countries,
            templates=templates,
            strict_templates=strict,
            line_country=country,
            relay_url=relay_url,
            no_relay=relay_url is None,
        )
        await set_sender(conn, place.account_id, asked.name, rules)


def check_countries(countries: Sequence[str], subject: str) -> None:
    """Raises: DocumentError for none, or for what is no country that has numbers."""
    unknown = [code for code in countries if code not in phonenumbers.SUPPORTED_REGIONS]
    if unknown or not countries:
        told = ", ".join(unknown) or "nothing"
        raise DocumentError(f"{subject}: countries: not a country's code: {told}")


async def _set_price(conn: Connection, asked: Sender, subject: str, place: Place) -> None:
    price, currency = await price_of(conn, place.account_id, asked.name)
    new, new_currency = either(asked.price, price), either(asked.currency, currency)
    if (new is None) != (new_currency is None):
        raise DocumentError(f"{subject}: price and currency go together")
    if new is not None and price is not None and Decimal(price) == Decimal(new):
        new = price  # 3 is 3.0
    if place.notes.differ(subject, price=(price, new), currency=(currency, new_currency)):
        await set_price(
            conn, account=place.account, sender=asked.name, price=new, currency=new_currency
        )
