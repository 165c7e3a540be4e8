"""Puts parts of the API behind what the console has others do: both edges stay strangers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from linegate.admin.registration import import_template
from linegate.api.auth import Refused
from linegate.api.client_certificates import add_certificate, try_certificate
from linegate.api.directory import Directory
from linegate.api.explain import Broken
from linegate.api.identities import Denied
from linegate.api.intake import Intake
from linegate.api.notifying import Notifying
from linegate.api.passwords import hash_password
from linegate.api.profiles import add_profile, replace_profile, shown_profile
from linegate.api.schemas_content import LineNotification
from linegate.api.schemas_subscriptions import (
    CertificateBody,
    ProfileBody,
    SecurityBody,
    SubscriptionBody,
)
from linegate.api.security_settings import add_security, replace_security, shown_security
from linegate.api.send import Send
from linegate.api.subscriptions import subscription_row
from linegate.api.template_request import read_template
from linegate.clock import Clock
from linegate.config import Settings
from linegate.console.hands import Checked, Finding, Hands, LoginRefused, Sent
from linegate.credentials import token_sources
from linegate.domain.caller import Caller
from linegate.domain.keys import ALL_SCOPES
from linegate.domain.violation import Violation
from linegate.group_commit import Overloaded
from linegate.line.checkup import check_up
from linegate.line.client import LineClient
from linegate.line.flex_rules import bubble_warnings
from linegate.postgres.audit import acting, note_change
from linegate.postgres.pool import Connection
from linegate.postgres.senders import load_sender
from linegate.postgres.store import Store
from linegate.postgres.subscriptions import (
    Page,
    insert_subscription,
    list_certificates,
    list_profiles,
    list_security,
    update_subscription,
)
from linegate.shortcomings import shortcomings
from linegate.webhook.client import WebhookClient

__all__ = ["console_hands"]

_CONTENT = "messages[0].content"
_LISTED = 200

T = TypeVar("T")


def console_hands(
    store: Store,
    settings: Settings,
    clock: Clock,
    directory: Directory,
    intake: Intake,
    send: Send,
    notifying: Notifying,
    client: WebhookClient,
) -> Hands:
    """Hands on an open store and the parts that the API has made of it."""
    hands = _Hands(store, settings, clock, directory, intake, send)
    subscriber = _Subscriber(store, notifying, client)
    return Hands(
        login=hands.login,
        hash_password=hash_password,
        check=hands.check,
        send=hands.send,
        register_template=hands.register_template,
        check_sender=hands.check_sender,
        subscribe=subscriber.subscribe,
        save_profile=subscriber.save_profile,
        save_security=subscriber.save_security,
        save_certificate=subscriber.save_certificate,
        try_certificate=subscriber.try_certificate,
        profiles=subscriber.profiles,
        securities=subscriber.securities,
    )


class _Hands:
    """The parts, by what they are asked."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        directory: Directory,
        intake: Intake,
        send: Send,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._directory = directory
        self._intake = intake
        self._send = send

    async def login(
        self, name: str, password: str, address: str | None, now: datetime
    ) -> int | LoginRefused:
        user = await self._directory.identities.login(name, password, address, now)
        if not isinstance(user, Denied):
            return user.id
        if user.status == 429:
            words = f"Too many attempts. Try again in {user.retry_after} s."
            return LoginRefused(words, user.retry_after)
        reason = user.reason or "name or password is wrong"
        return LoginRefused(f"Not logged in: {reason}.")

    async def check(self, account_id: int, body: bytes) -> Checked:
        caller = _caller(account_id, "console")
        read = await self._intake.read(body, caller, self._clock.now(), is_trial=True)
        if isinstance(read, Broken):
            return Checked(read.violations)
        content = read.asked.messages[0].content
        if not isinstance(content, LineNotification):
            return Checked(())
        return Checked((), bubble_warnings(content.contents, f"{_CONTENT}.contents"))

    async def send(self, account_id: int, actor: str, body: bytes) -> Sent:
        try:
            answer = await self._send.take(body, _caller(account_id, actor), self._clock.now())
        except Refused as refused:
            violations = refused.violations or [Violation("$", f"refused with {refused.status}")]
            return Sent(violations)
        except Overloaded:
            return Sent([Violation("$", "too much at once: nothing was sent, try again")])
        (message,) = msgspec.json.decode(bytes(answer.body))["messages"]
        status = message["status"]
        sent = Sent((), message["messageId"], status["name"], status["groupName"])
        async with acting(self._store.pool, actor) as conn:
            await note_change(
                conn,
                account_id=account_id,
                actor=actor,
                kind="message",
                subject=sent.message_id,
                changes={"sent_by_hand": [None, sent.status]},
                now=self._clock.now(),
            )
        return sent

    async def register_template(
        self, account_id: int, actor: str, body: bytes
    ) -> Sequence[Violation]:
        now = self._clock.now()
        asked = read_template(body, now)
        if isinstance(asked, list):
            return asked
        sender = await self._directory.sender(asked.sender or "", now)
        if sender is None or sender.account_id != account_id:
            return [Violation("sender", "must be the name of a sender of this account")]
        async with acting(self._store.pool, actor) as conn:
            await import_template(
                conn,
                account_id=account_id,
                sender_id=sender.id,
                name=asked.name or "",
                language=asked.language or "",
                says=asked.says,
                now=now,
            )
        return []

    async def check_sender(self, account_id: int, name: str) -> Sequence[Finding]:
        async with self._store.pool.acquire() as conn:
            row = await load_sender(conn, account_id, name)
        if row is None:
            return [Finding(False, "There is no such sender.")]
        clock = self._clock
        async with LineClient(self._settings.line_api_url) as line:
            tokens = token_sources(self._store.vault, line, clock)(row)
            found = await check_up(line, tokens, webhook_name=name, now=clock.now())
        return [Finding(each.is_good, each.words) for each in found]


class _Subscriber:
    """Subscriptions, profiles and security settings by the rules of the Subscriptions API."""

    def __init__(self, store: Store, notifying: Notifying, client: WebhookClient) -> None:
        self._store = store
        self._with = notifying
        self._client = client

    async def subscribe(
        self, account_id: int, actor: str, body: bytes, is_new: bool
    ) -> Sequence[Violation]:
        async def write(conn: Connection, asked: SubscriptionBody) -> None:
            id_ = asked.subscription_id or ""
            row = await subscription_row(self._with, conn, account_id, id_, asked)
            if is_new:
                now = self._with.clock.now()
                if not await insert_subscription(conn, account_id, row, now=now):
                    raise Refused(400, [Violation("subscriptionId", "is already used")])
            elif not await update_subscription(conn, account_id, row):
                raise Refused(404, [Violation("subscriptionId", "does not exist")])

        return await self._write(actor, body, SubscriptionBody, write)

    async def save_profile(
        self, account_id: int, actor: str, body: bytes, is_new: bool
    ) -> Sequence[Violation]:
        async def write(conn: Connection, asked: ProfileBody) -> None:
            if is_new:
                await add_profile(conn, self._with, account_id, asked)
            else:
                id_ = asked.profile_id or ""
                await replace_profile(conn, self._with, account_id, id_, asked)

        return await self._write(actor, body, ProfileBody, write)

    async def save_security(
        self, account_id: int, actor: str, body: bytes, is_new: bool
    ) -> Sequence[Violation]:
        async def write(conn: Connection, asked: SecurityBody) -> None:
            if is_new:
                await add_security(conn, self._with, account_id, asked)
            else:
                id_ = asked.auth_id or ""
                await replace_security(conn, self._with, account_id, id_, asked)

        return await self._write(actor, body, SecurityBody, write)

    async def save_certificate(
        self, account_id: int, actor: str, body: bytes, _is_new: bool
    ) -> Sequence[Violation]:
        async def write(conn: Connection, asked: CertificateBody) -> None:
            await add_certificate(conn, self._with, account_id, asked)

        return await self._write(actor, body, CertificateBody, write)

    async def try_certificate(self, account_id: int, certificate_id: str, url: str) -> str | None:
        async with self._store.pool.acquire() as conn:
            rows, _ = await list_certificates(conn, account_id, Page(id=certificate_id))
        if not rows:
            return None
        return await try_certificate(self._with, self._client, account_id, rows[0], url)

    async def profiles(self, account_id: int) -> Sequence[Mapping[str, Any]]:
        async with self._store.pool.acquire() as conn:
            rows, _ = await list_profiles(conn, account_id, Page(_LISTED))
            return [await shown_profile(conn, self._with, account_id, row) for row in rows]

    async def securities(self, account_id: int) -> Sequence[Mapping[str, Any]]:
        async with self._store.pool.acquire() as conn:
            rows, _ = await list_security(conn, account_id, Page(_LISTED))
            return [await shown_security(conn, self._with, account_id, row) for row in rows]

    async def _write(
        self,
        actor: str,
        body: bytes,
        kind: type[T],
        write: Callable[[Connection, T], Awaitable[None]],
    ) -> Sequence[Violation]:
        """Read a body and write what it says in one transaction; gives what is wrong with it."""
        try:
            asked = msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            return shortcomings(msgspec.json.decode(body), kind)
        try:
            async with acting(self._store.pool, actor) as conn:
                await write(conn, asked)
        except Refused as refused:
            words = "does not exist" if refused.status == 404 else f"refused with {refused.status}"
            return refused.violations or [Violation("$", words)]
        return ()


def _caller(account_id: int, actor: str) -> Caller:
    return Caller(account_id, actor, frozenset(ALL_SCOPES))
