"""Each figure of the overview leads to the list of exactly what it counts."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest

from support.clock import FakeClock
from support.console import Visitor, a_user
from support.gateway import Gateway, running_api
from support.reports import given_account

EXPIRED, DELIVERED = 15, 5


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def visitor(gateway: Gateway, clock: FakeClock) -> Visitor:
    """Sees 3 delivered (1 by SMS) and 2 expired in the last hour, and 4 delivered before it."""
    scene = await given_account(gateway.store.pool, clock.now())
    await scene.finished(4, now=clock.now() - timedelta(hours=3))
    ids = await scene.finished(3, now=clock.now())
    await scene.finished(2, now=clock.now(), status=EXPIRED)
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "UPDATE final SET sent_at = done_at - interval '30 hours' WHERE status = $1", EXPIRED
        )
        await conn.execute(
            "INSERT INTO sms_end (message_id, sender, parts, line_status, line_error, account_id,"
            " sent_at, ended_at) SELECT $1, 'SMS', 1, 0, 0, $2, $3, $3",
            ids[0],
            scene.account_id,
            clock.now(),
        )
    await a_user(gateway, clock, "alice", account="shop")
    found = Visitor(gateway)
    await found.login("alice")
    return found


async def listed(visitor: Visitor, label: str, span: str = "hour") -> tuple[str, int]:
    """What a figure of the overview says, and how many messages its list has."""
    page = (await visitor.get(f"/console/?span={span}")).body.decode()
    tile = re.search(rf'href="([^"]+)"><strong>([^<]+)</strong><span>{label}', page)
    legend = re.search(rf'href="([^"]+)"><i class="[^"]+"></i>{label} ([^<]+)</a>', page)
    told = tile or legend
    assert told is not None
    path, figure = told.groups()
    found = (await visitor.get(unescape(path))).body.decode()
    return figure, len(re.findall(r'<td><a href="/console/messages/', found))


async def test_a_figure_leads_to_the_messages_that_it_counts(visitor: Visitor) -> None:
    expected = {
        "ended": ("5", 5),
        "delivered": ("60.0 %", 3),
        "ended by SMS": ("20.0 %", 1),
        "expired": ("2", 2),
        "rejected": ("0", 0),
    }
    assert {label: await listed(visitor, label) for label in expected} == expected
    assert await listed(visitor, "ended", span="day") == ("9", 9)


async def test_the_list_by_end_is_cut_by_its_other_fields_and_by_account(
    gateway: Gateway, clock: FakeClock, visitor: Visitor
) -> None:
    page = await visitor.get("/console/messages?by=end&sender=shop-sender&group=EXPIRED")
    assert page.body.count(b'<td><a href="/console/messages/') == 2
    page = await visitor.get("/console/messages?by=end&sender=nobody")
    assert page.body.count(b'<td><a href="/console/messages/') == 0
    await a_user(gateway, clock, "mallory", account="acme")
    mallory = Visitor(gateway)
    await mallory.login("mallory")
    for query in ("by=end", "leg=SMS"):
        theirs = await mallory.get(f"/console/messages?{query}")
        assert theirs.body.count(b'<td><a href="/console/messages/') == 0


async def test_what_is_pending_is_cut_by_the_other_fields_too(
    gateway: Gateway, clock: FakeClock, visitor: Visitor
) -> None:
    """Three are with LINE, of two campaigns; of a sender they are shown as of a campaign."""
    scene = await given_account(gateway.store.pool, clock.now(), "other")
    for campaign, count in (("spring", 2), ("autumn", 1)):
        await scene.finished(count, now=clock.now(), campaign=campaign)
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "WITH back AS (DELETE FROM final WHERE account_id = $1 RETURNING *)"
            " INSERT INTO queue (id, sender_id, object_id, account_id, step, due_at, deadline_at,"
            " sent_at, home, destination) SELECT message_id, $2, object_id, account_id, 'sent',"
            " done_at, done_at, sent_at, 'due_bulk', '' FROM back",
            scene.account_id,
            scene.sender_id,
        )
    await a_user(gateway, clock, "bob", account="other")
    bob = Visitor(gateway)
    await bob.login("bob")
    expected = {
        "": 3,
        "&sender=other-sender": 3,
        "&sender=nobody": 0,
        "&campaign=spring": 2,
        "&campaign=autumn&sender=other-sender": 1,
        "&entity=nobody": 0,
        "&by=end": 0,
    }
    for query, count in expected.items():
        page = await bob.get(f"/console/messages?group=PENDING{query}")
        assert page.body.count(b'<td><a href="/console/messages/') == count, query


async def test_what_a_search_does_not_understand_is_said(visitor: Visitor) -> None:
    for query, words in (
        ("number=%2B81", "“+81” is no number with its country code"),
        ("number=090-1000-0001", "“090-1000-0001” is no number with its country code"),
        ("since=yesterday", "From: “yesterday” is no time"),
        ("until=2026-02-30T00:00", "Until: “2026-02-30T00:00” is no time"),
        ("since=2026-01-15T09:00&until=2026-01-15T08:00", "The time ends before it begins."),
        ("group=LOST", "Status: “LOST” is none of DELIVERED, PENDING"),
        ("sender=nobody", "There is no sender named “nobody”."),
        ("since=2020-01-01T00:00", "A search goes back 30 days."),
        ("bulk=x&leg=SMS", "only the time of hand-over is looked at"),
    ):
        page = (await visitor.get(f"/console/messages?{query}")).body.decode()
        assert words in unescape(page), query


async def test_a_time_beyond_all_messages_finds_none(visitor: Visitor) -> None:
    for query in ("since=9999-12-31T23:59", "until=0001-01-01T00:00"):
        page = await visitor.get(f"/console/messages?{query}")
        assert page.status == 200
        assert b'<td><a href="/console/messages/' not in page.body


async def test_a_number_is_found_however_its_digits_are_written(
    gateway: Gateway, visitor: Visitor
) -> None:
    digits = await gateway.store.pool.fetchval("SELECT destination FROM message LIMIT 1")
    wide = "".join(chr(ord(each) - ord("0") + 0xFF10) for each in digits)
    for number in (f"%2B{digits}", f"{digits[:2]} {digits[2:4]}-{digits[4:]}", quote(wide)):
        page = await visitor.get(f"/console/messages?number={number}")
        assert b'<td><a href="/console/messages/' in page.body, number
