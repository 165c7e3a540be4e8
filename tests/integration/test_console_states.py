"""What the console says of a sender that stands still or lags, and what LINE answered it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape

import pytest

from linegate.domain.circuit import Hold
from linegate.postgres.directory import hold_sender, set_default_endpoint
from support.clock import FakeClock
from support.console import Visitor, a_bulk, logged_in
from support.gateway import ACCOUNT, SENDER, Gateway, running_api


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def alice(gateway: Gateway, clock: FakeClock) -> Visitor:
    return await logged_in(gateway, clock, "alice", ACCOUNT)


async def sender_id(gateway: Gateway) -> int:
    async with gateway.store.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT id FROM sender WHERE name = $1", SENDER))


async def test_a_sender_whose_messages_wait_is_behind_before_it_needs_attention(
    gateway: Gateway, alice: Visitor, clock: FakeClock
) -> None:
    await a_bulk(gateway)
    await clock.advance(timedelta(seconds=20))
    seen = (await alice.get("/console/live")).body
    assert b"behind 20 s" in seen
    assert b"Needs attention" not in seen
    await clock.advance(timedelta(minutes=2))
    assert b"its oldest due message waits for 2 min" in (await alice.get("/console/live")).body


async def test_what_is_due_leads_to_a_list_of_as_many(gateway: Gateway, alice: Visitor) -> None:
    await a_bulk(gateway)
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "UPDATE queue SET due_at = due_at + interval '1 hour'"
            " WHERE id = (SELECT max(id) FROM queue)"
        )
    seen = (await alice.get("/console/live")).body.decode()
    links = re.findall(r'href="(/console/messages\?group=PENDING[^"]*)">(?:<strong>)?1<', seen)
    assert len(links) == 2  # of the tile and of the sender
    for link in links:
        listed = (await alice.get(unescape(link))).body.decode()
        assert listed.count('<td><a href="/console/messages/') == 1


async def test_the_overview_shows_no_secret_of_an_endpoints_url(
    gateway: Gateway, alice: Visitor, clock: FakeClock
) -> None:
    url = "https://user:word@example.com/reports?token=abcdefgh"
    async with gateway.store.pool.acquire() as conn:
        await set_default_endpoint(conn, account_id=1, url=url, now=clock.now())
        await conn.execute("UPDATE endpoint SET failures = 1, last_error = 'no connection'")
    seen = (await alice.get("/console/live")).body.decode()
    assert "Endpoint https://example.com/reports fails: no connection" in seen
    assert "abcdefgh" not in seen
    assert "word@" not in seen


@pytest.mark.parametrize("hold", [hold.value for hold in Hold])
async def test_every_hold_says_in_words_what_to_do(
    gateway: Gateway, alice: Visitor, clock: FakeClock, hold: str
) -> None:
    id_ = await sender_id(gateway)
    async with gateway.store.pool.acquire() as conn:
        await hold_sender(conn, id_, hold=hold, reason=hold, until=None, now=clock.now())
    told = (await alice.get(f"/console/senders/{id_}")).body.decode()
    assert "goes on" in told or "resumes" in told
    if hold != Hold.PAUSED.value:
        assert f">{hold}<" not in told
    for path in ("/console/", "/console/senders"):
        assert (
            "_" not in (await alice.get(path)).body.decode().partition("badge is-rejected")[2][:40]
        )


async def test_what_an_smsc_answered_is_not_told_as_lines_answer(
    gateway: Gateway, alice: Visitor, clock: FakeClock
) -> None:
    await a_bulk(gateway)
    id_ = await sender_id(gateway)
    async with gateway.store.pool.acquire() as conn:
        await conn.executemany(
            "INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error,"
            " request_id, detail, route_id)"
            " SELECT min(id), $1, $2, $2, 'refused', 0, 0, '', $3, $4 FROM message",
            [(1, clock.now(), "said by LINE", None), (2, clock.now(), "said by an SMSC", 1)],
        )
    told = (await alice.get(f"/console/senders/{id_}")).body
    assert b"said by LINE" in told
    assert b"said by an SMSC" not in told
