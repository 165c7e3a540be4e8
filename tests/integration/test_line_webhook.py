"""POST /line/webhook/{sender}: LINE's calls over the wire, true ones, odd ones and false ones."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.cli.senders import create_sender
from linegate.domain.keys import ALL_SCOPES
from linegate.line.tag import make_tag
from linegate.postgres.identities import KeyRules
from support.clock import FakeClock
from support.gateway import (
    ACCOUNT,
    CHANNEL_SECRET,
    SENDER,
    Answer,
    Gateway,
    a_request,
    running_api,
)


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def sent(gateway: Gateway) -> int:
    """A message that was handed over to LINE once."""
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    key = await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    answer = await gateway.call(
        "POST", "/line/1/messages", authorization=f"App {key}", json=a_request()
    )
    await gateway.store.pool.execute("UPDATE queue SET step = 'sent', attempt = 1")
    return int(answer.json["messages"][0]["messageId"], 16)


def an_event(tag: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "delivery",
        "delivery": {"data": tag},
        "timestamp": 1_768_467_600_000,
        "webhookEventId": "01JHM",
        "mode": "active",
        "deliveryContext": {"isRedelivery": False},
        **more,
    }


def signed(body: bytes, secret: str = CHANNEL_SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


async def call(
    gateway: Gateway,
    *events: Any,
    sender: str = SENDER,
    signature: str | None = None,
    body: bytes | None = None,
) -> Answer:
    raw = json.dumps({"destination": "U1", "events": list(events)}).encode()
    raw = raw if body is None else body
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "x-line-signature": signed(raw) if signature is None else signature,
    }
    return await gateway.call("POST", f"/line/webhook/{sender}", data=raw, headers=headers)


async def ends(gateway: Gateway) -> list[tuple[int, int]]:
    rows = await gateway.store.pool.fetch("SELECT message_id, status FROM final")
    return [(row["message_id"], row["status"]) for row in rows]


async def test_a_delivery_event_is_on_disk_when_line_has_its_200(
    gateway: Gateway, sent: int
) -> None:
    assert (await call(gateway, an_event(make_tag(sent, 1)))).status == 200
    assert await ends(gateway) == [(sent, 5)]


@pytest.mark.parametrize("signature", ["", "nonsense", "é", signed(b"something else")])
async def test_a_call_that_line_did_not_sign_changes_nothing(
    gateway: Gateway, sent: int, signature: str
) -> None:
    answer = await call(gateway, an_event(make_tag(sent, 1)), signature=signature)
    assert answer.status == 401
    assert await ends(gateway) == []


async def test_a_call_without_a_signature_is_refused(gateway: Gateway, sent: int) -> None:
    body = json.dumps({"events": [an_event(make_tag(sent, 1))]}).encode()
    answer = await gateway.call(
        "POST",
        f"/line/webhook/{SENDER}",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 401
    assert await ends(gateway) == []


async def test_nobody_learns_which_senders_there_are(gateway: Gateway) -> None:
    known = await call(gateway, signature="nonsense")
    unknown = await call(gateway, sender="NOBODY", signature="nonsense")
    assert (unknown.status, unknown.json) == (known.status, known.json)


async def test_a_sender_cannot_speak_of_anothers_messages(gateway: Gateway, sent: int) -> None:
    await create_account(gateway.store, "stranger")
    await create_sender(
        gateway.store, "stranger", "STRANGER", channel_id="2", channel_secret="s" * 32, token=None
    )
    body = json.dumps({"events": [an_event(make_tag(sent, 1))]}).encode()
    answer = await call(gateway, sender="STRANGER", body=body, signature=signed(body, "s" * 32))
    assert answer.status == 200
    assert await ends(gateway) == []


async def test_line_verifies_an_address_with_no_events(gateway: Gateway) -> None:
    assert (await call(gateway)).status == 200


async def test_events_of_other_kinds_and_tags_hide_no_delivery(gateway: Gateway, sent: int) -> None:
    answer = await call(
        gateway,
        {"type": "message", "message": {"type": "text", "text": "hello"}},
        {"type": "unknown-since-tomorrow", "timestamp": "no number"},
        {"type": 7},
        an_event("d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c"),
        an_event("another system's tag"),
        an_event(make_tag(sent, 1)),
    )
    assert answer.status == 200
    assert await ends(gateway) == [(sent, 5)]


async def test_an_event_that_comes_again_reports_once(gateway: Gateway, sent: int) -> None:
    event = an_event(make_tag(sent, 1))
    assert (await call(gateway, event, event)).status == 200
    assert (await call(gateway, event)).status == 200
    assert await ends(gateway) == [(sent, 5)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"events": 7}', b"\xff\xfe"])
async def test_a_signed_body_that_is_none_is_400(gateway: Gateway, body: bytes) -> None:
    assert (await call(gateway, body=body)).status == 400


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_beyond_two_megabytes_is_not_read_for_anybody(gateway: Gateway) -> None:
    assert (await call(gateway, body=b" " * (2 * 1024 * 1024 + 1))).status == 413


async def test_a_senders_name_is_taken_from_the_path_as_given(
    gateway: Gateway, clock: FakeClock
) -> None:
    await create_sender(
        gateway.store, ACCOUNT, "通知 A/B", channel_id="3", channel_secret="t" * 32, token=None
    )
    body = b'{"events":[]}'
    for path in ("%E9%80%9A%E7%9F%A5%20A%2FB", "%E9%80%9A%E7%9F%A5%20A/B"):
        answer = await call(gateway, sender=path, body=body, signature=signed(body, "t" * 32))
        assert answer.status == 200
