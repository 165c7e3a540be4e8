"""Imports over HTTP: nothing goes before the last line has come, or ever if a line is broken."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from linegate.accept.remover import ABANDONED_AFTER, ImportRemover
from linegate.cli.keys import create_key
from linegate.metrics import Metrics
from linegate.report.rollup import Rollup
from linegate.shape.shaper import Shaper
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

HOUR = timedelta(hours=1)
NDJSON = "application/x-ndjson"


class Desk:
    """A gateway with a key, a shaper and a remover run by hand."""

    def __init__(self, gateway: Gateway, clock: FakeClock, key: str) -> None:
        self.gateway = gateway
        self.clock = clock
        self.key = key
        self.pool = gateway.store.pool
        self.shaper = Shaper(self.pool, clock, Metrics(CollectorRegistry()))
        self.remover = ImportRemover(self.pool, clock)

    async def send(self, body: str | bytes, media_type: str = NDJSON) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        return await self.gateway.call(
            "POST",
            "/line/1/bulks/import",
            authorization=f"App {self.key}",
            headers={"Content-Type": media_type},
            data=data,
        )

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table}"))

    async def shape(self) -> None:
        while await self.shaper.run_once():
            pass


@pytest.fixture
async def desk(database_url: str, clock: FakeClock) -> AsyncIterator[Desk]:
    async with running_api(database_url, clock) as gateway:
        yield Desk(gateway, clock, await create_key(gateway.store, ACCOUNT, name="t"))


def head(**schedule: Any) -> str:
    message = a_request()["messages"][0]
    del message["destinations"]
    return json.dumps({"message": message, "options": {"schedule": schedule}})


def ndjson(*destinations: dict[str, Any], **schedule: Any) -> str:
    return "\n".join([head(**schedule), *(json.dumps(each) for each in destinations)])


def numbers(count: int) -> list[dict[str, Any]]:
    return [{"to": f"81901{n:07d}"} for n in range(count)]


async def test_an_import_goes_as_any_bulk_once_it_is_whole(desk: Desk) -> None:
    body = ndjson(*numbers(4500), bulkId="spring", sendingSpeedLimit={"amount": 6000})
    answer = await desk.send(body)
    assert answer.json == {
        "bulkId": "spring",
        "messages": 4500,
        "accepted": 4500,
        "rejected": 0,
        "duplicates": 0,
    }
    await desk.shape()
    assert await desk.count("queue") > 0
    assert await desk.pool.fetchval("SELECT remaining FROM track") < 4500
    assert await desk.count("message_object") == 1
    lanes = await desk.pool.fetchval("SELECT count(DISTINCT id & 15) FROM message")
    assert lanes == 1


async def test_a_csv_is_the_same_with_its_columns_as_placeholders(desk: Desk) -> None:
    body = head() + '\nto,messageId,name\n819010000001,m1,"A ""B""\nC"\n819010000002,m2,D\n'
    answer = await desk.send(body, "text/csv")
    assert answer.json["messages"] == 2, answer.body
    rows = await desk.pool.fetch("SELECT client_id FROM message ORDER BY id")
    assert [row["client_id"] for row in rows] == ["m1", "m2"]


async def test_the_range_of_ids_of_an_imported_bulk_holds_its_object(desk: Desk) -> None:
    """A search by bulk or campaign goes from the bulk to its objects by that range."""
    assert (await desk.send(ndjson(*numbers(2)))).status == 200
    holds = "SELECT count(*) FROM bulk JOIN message_object AS object ON object.id <= bulk.last_id"
    assert await desk.pool.fetchval(holds) == 1


async def test_a_broken_line_is_named_and_nothing_is_half_accepted(desk: Desk) -> None:
    good = numbers(4500)
    body = ndjson(*good[:4100], {"to": 5}, *good[4100:], bulkId="again")
    refused = await desk.send(body)
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == "line 4102.to"
    await desk.shape()
    assert await desk.count("queue") == 0
    assert await desk.count("message") == 4000
    while await desk.remover.run_once():
        pass
    while await Rollup(desk.pool, desk.clock).run_once():
        pass
    await desk.remover.run_once()
    for table in ("message", "track", "message_object", "client_id", "final", "push"):
        assert await desk.count(table) == 0, table
    assert (await desk.send(ndjson(*good, bulkId="again"))).status == 200


async def test_what_cannot_be_sent_to_is_reported_when_the_bulk_is_open(desk: Desk) -> None:
    body = ndjson({"to": "not a number"}, {"to": "819010000001"}, {"to": "4915112345678"})
    answer = await desk.send(body)
    assert (answer.json["accepted"], answer.json["rejected"]) == (1, 2)
    assert await desk.count("final") == 0
    await desk.shape()
    statuses = await desk.pool.fetch("SELECT status, error FROM final ORDER BY status")
    assert [tuple(row) for row in statuses] == [(6, 352), (52, 351)]
    assert await desk.count("queue") == 1


async def test_a_message_id_that_was_used_before_is_left_out(desk: Desk) -> None:
    twice = [{"to": "819010000001", "messageId": "m1"}, {"to": "819010000002", "messageId": "m1"}]
    answer = await desk.send(ndjson(*twice))
    assert (answer.json["messages"], answer.json["duplicates"]) == (1, 1)


async def test_a_used_bulk_id_refuses_the_import(desk: Desk) -> None:
    assert (await desk.send(ndjson(*numbers(1), bulkId="b"))).status == 200
    refused = await desk.send(ndjson(*numbers(1), bulkId="b"))
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == "line 1.options.schedule.bulkId"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("", "line 1"),
        ("[]", "line 1"),
        ("{}", "line 1.message"),
        (head(), "$"),
        (json.dumps({"message": {"sender": "ACME"}}), "line 1.message.content"),
        (json.dumps({"message": {"destinations": []}}), "line 1.message.destinations"),
        (head(sendAt="soon") + '\n{"to": "819010000001"}', "line 1.options.schedule.sendAt"),
    ],
)
async def test_a_first_line_that_is_wrong_is_told_by_its_place(
    desk: Desk, body: str, place: str
) -> None:
    refused = await desk.send(body)
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == place
    assert await desk.count("bulk") == 0


async def test_other_media_types_are_refused(desk: Desk) -> None:
    assert (await desk.send("{}", "application/json")).status == 415


async def test_an_import_that_breaks_off_is_given_up_and_removed(desk: Desk) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield ndjson(*numbers(2500)).encode()
        await until(desk, "SELECT count(*) FROM message", 2000)
        raise ConnectionError("the client dies")

    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await session.post(
                f"{desk.gateway.url}/line/1/bulks/import",
                data=half(),
                headers={"Authorization": f"App {desk.key}", "Content-Type": NDJSON},
            )
    await until(desk, "SELECT status::text FROM bulk_run", "failed")
    while await desk.remover.run_once():
        pass
    assert await desk.count("message") == 0


async def test_an_import_whose_process_died_is_given_up_after_a_while(desk: Desk) -> None:
    await desk.send(ndjson(*numbers(10)))
    await desk.pool.execute("UPDATE bulk_run SET status = 'importing', finished_at = NULL")
    await desk.remover.run_once()
    assert await desk.pool.fetchval("SELECT status::text FROM bulk_run") == "importing"
    await desk.clock.advance(ABANDONED_AFTER)
    await desk.remover.run_once()
    assert await desk.pool.fetchval("SELECT status::text FROM bulk_run") == "failed"
    await desk.shape()
    assert await desk.count("queue") == 0


async def until(desk: Desk, sql: str, value: object) -> None:
    """Wait for what another connection does."""
    async with asyncio.timeout(10):
        while await desk.pool.fetchval(sql) != value:
            pass
