"""Steering bulks over HTTP, and what the shaper makes of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from linegate.cli.keys import create_key
from linegate.domain.wiretime import format_instant
from linegate.metrics import Metrics
from linegate.shape.counter import Counter
from linegate.shape.shaper import Shaper
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Desk:
    """A gateway with a key and a shaper run by hand."""

    def __init__(self, gateway: Gateway, clock: FakeClock, key: str) -> None:
        self.gateway = gateway
        self.clock = clock
        self.key = key
        self.shaper = Shaper(gateway.store.pool, clock, Metrics(CollectorRegistry()))

    async def send(self, count: int, **schedule: Any) -> str:
        numbers = [f"81901{n:07d}" for n in range(count)]
        request = a_request(*numbers) | {"options": {"schedule": schedule}}
        answer = await self.call("POST", "/line/1/messages", request)
        assert answer.status == 200, answer.body
        return str(answer.json["bulkId"])

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        authorization = f"App {self.key}"
        if body is None:
            return await self.gateway.call(method, path, authorization=authorization)
        return await self.gateway.call(method, path, authorization=authorization, json=body)

    async def show(self, bulk_id: str) -> Any:
        answer = await self.call("GET", f"/line/1/bulks?bulkId={bulk_id}")
        assert answer.status == 200, answer.body
        return answer.json

    async def say(self, bulk_id: str, status: str) -> Answer:
        return await self.call("PUT", f"/line/1/bulks/status?bulkId={bulk_id}", {"status": status})

    async def shape(self, seconds: float = 0) -> None:
        await self.clock.advance(timedelta(seconds=seconds))
        while await self.shaper.run_once():
            pass

    async def rows(self, sql: str) -> list[Any]:
        return list(await self.gateway.store.pool.fetch(sql))


@pytest.fixture
async def desk(database_url: str, clock: FakeClock) -> AsyncIterator[Desk]:
    async with running_api(database_url, clock) as gateway:
        yield Desk(gateway, clock, await create_key(gateway.store, ACCOUNT, name="t"))


async def test_a_scheduled_bulk_is_shown_with_its_counts_and_its_end(desk: Desk) -> None:
    send_at = desk.clock.now() + HOUR
    limit = {"amount": 60, "timeUnit": "MINUTE"}
    bulk_id = await desk.send(
        61, bulkId="spring sale", sendAt=format_instant(send_at), sendingSpeedLimit=limit
    )
    shown = await desk.show(bulk_id)
    assert shown["status"] == "PENDING"
    assert shown["sendAt"] == format_instant(send_at)
    assert shown["sendingSpeedLimit"] == limit
    assert shown["messages"] == 61
    assert shown["counts"] == {"waiting": 61, "due": 0, "sending": 0, "handedOver": 0, "ended": 0}
    assert shown["endsAt"] == format_instant(send_at + 60.25 * SECOND)


async def test_pause_resume_and_cancel_go_by_the_table(desk: Desk) -> None:
    bulk_id = await desk.send(2000, sendingSpeedLimit={"amount": 60})
    assert (await desk.say(bulk_id, "PAUSED")).json == {"bulkId": bulk_id, "status": "PAUSED"}
    refused = await desk.say(bulk_id, "FINISHED")
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == "status"
    assert (await desk.say(bulk_id, "PROCESSING")).json["status"] == "PROCESSING"
    assert (await desk.say(bulk_id, "CANCELED")).json["status"] == "CANCELED"
    assert (await desk.say(bulk_id, "PAUSED")).status == 400
    assert (await desk.say(bulk_id, "CANCELED")).status == 200
    for _ in range(3):
        await desk.shape(1)
    assert (await desk.show(bulk_id))["counts"]["ended"] == 2000


async def test_the_audit_log_tells_which_key_said_what_to_a_bulk(desk: Desk) -> None:
    bulk_id = await desk.send(30, bulkId="spring", sendAt=format_instant(desk.clock.now() + HOUR))
    await desk.say(bulk_id, "FINISHED")  # refused: nothing to tell
    await desk.say(bulk_id, "PAUSED")
    limit = {"sendingSpeedLimit": {"amount": 90, "timeUnit": "HOUR"}}
    await desk.call("PUT", f"/line/1/bulks?bulkId={bulk_id}", limit)
    noted = "SELECT actor, subject, changes::text FROM audit WHERE kind = 'bulk' ORDER BY id"
    assert [tuple(row) for row in await desk.rows(noted)] == [
        ("key 1", "spring", '{"status": ["PENDING", "PAUSED"]}'),
        ("key 1", "spring", '{"speed": ["as fast as LINE takes it", "90 per hour"]}'),
    ]


async def test_a_small_bulk_that_was_due_at_once_can_be_stopped_too(desk: Desk) -> None:
    bulk_id = await desk.send(20)
    assert (await desk.show(bulk_id))["status"] == "PROCESSING"
    assert (await desk.say(bulk_id, "PAUSED")).status == 200
    await desk.shape()
    assert {row["step"] for row in await desk.rows("SELECT DISTINCT step FROM queue")} == {"held"}
    assert (await desk.show(bulk_id))["counts"]["due"] == 20
    assert (await desk.say(bulk_id, "CANCELED")).status == 200
    await desk.shape()
    shown = await desk.show(bulk_id)
    assert (shown["status"], shown["counts"]["ended"]) == ("CANCELED", 20)


async def test_a_bulk_without_anything_unfinished_is_finished(desk: Desk) -> None:
    bulk_id = await desk.send(3)
    await desk.gateway.store.pool.execute("DELETE FROM queue")
    assert (await desk.show(bulk_id))["status"] == "FINISHED"
    assert (await desk.say(bulk_id, "PAUSED")).status == 400


async def test_a_rescheduled_bulk_goes_at_its_new_time_and_not_at_its_old_one(desk: Desk) -> None:
    start = desk.clock.now()
    bulk_id = await desk.send(5, sendAt=format_instant(start + HOUR))
    later = format_instant(start + 2 * HOUR)
    path = f"/line/1/bulks?bulkId={bulk_id}"
    assert (await desk.call("PUT", path, {"sendAt": later})).json["sendAt"] == later
    await desk.shape(3600)
    assert await desk.rows("SELECT 1 FROM queue") == []
    sooner = format_instant(desk.clock.now())
    assert (await desk.call("PUT", path, {"sendAt": sooner})).status == 200
    await desk.shape()
    assert len(await desk.rows("SELECT 1 FROM queue")) == 5
    assert (await desk.call("PUT", path, {"sendAt": later})).status == 400  # it has begun


async def test_what_was_due_when_a_bulk_was_paused_waits_for_its_new_time(desk: Desk) -> None:
    bulk_id = await desk.send(20)
    await desk.say(bulk_id, "PAUSED")
    await desk.shape()
    deadline = (await desk.rows("SELECT deadline_at FROM queue"))[0]["deadline_at"]
    later = desk.clock.now() + 2 * HOUR
    path = f"/line/1/bulks?bulkId={bulk_id}"
    assert (await desk.call("PUT", path, {"sendAt": format_instant(later)})).status == 200
    assert (await desk.say(bulk_id, "PROCESSING")).json["status"] == "PENDING"
    await desk.shape(3600)
    assert {row["step"] for row in await desk.rows("SELECT DISTINCT step FROM queue")} == {"held"}
    await desk.shape(3600)
    rows = await desk.rows("SELECT DISTINCT step::text, deadline_at, due_at FROM queue")
    assert [tuple(row) for row in rows] == [("due_bulk", deadline + 2 * HOUR, later)]


async def test_a_change_of_speed_holds_for_what_is_due_already(desk: Desk) -> None:
    bulk_id = await desk.send(1500)
    await desk.shape()
    path = f"/line/1/bulks?bulkId={bulk_id}"
    slow = {"sendingSpeedLimit": {"amount": 600, "timeUnit": "MINUTE"}}
    assert (await desk.call("PUT", path, slow)).json["sendingSpeedLimit"]["amount"] == 600
    await desk.shape()
    steps = "SELECT step::text, count(*) FROM queue GROUP BY step"
    counts = {row["step"]: row["count"] for row in await desk.rows(steps)}
    assert counts.keys() == {"turn", "due_paced"}
    assert counts["due_paced"] <= 4
    assert (await desk.call("PUT", path, {"sendingSpeedLimit": None})).status == 200
    await desk.shape()
    assert {row["step"]: row["count"] for row in await desk.rows(steps)} == {"due_bulk": 1500}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "$"),
        ({"sendAt": "tomorrow"}, "sendAt"),
        ({"sendAt": "2027-01-15T09:00:00.000+0000"}, "sendAt"),
        ({"sendingSpeedLimit": {"amount": 0}}, "sendingSpeedLimit.amount"),
        ([], "$"),
    ],
)
async def test_a_change_that_cannot_be_read_is_told_by_its_place(
    desk: Desk, body: object, place: str
) -> None:
    bulk_id = await desk.send(1, sendAt=format_instant(desk.clock.now() + HOUR))
    refused = await desk.call("PUT", f"/line/1/bulks?bulkId={bulk_id}", body)
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == place


async def test_nobody_sees_or_steers_a_foreign_or_unknown_bulk(desk: Desk) -> None:
    bulk_id = await desk.send(5)
    await desk.gateway.store.pool.execute("UPDATE bulk SET account_id = 99")
    for name in (bulk_id, "0123456789abcdef", "no such"):
        assert (await desk.call("GET", f"/line/1/bulks?bulkId={name}")).status == 404
        assert (await desk.call("GET", f"/line/1/bulks/status?bulkId={name}")).status == 404
        assert (await desk.say(name, "CANCELED")).status == 404
    assert (await desk.call("GET", "/line/1/bulks/status")).status == 400


async def test_the_list_has_what_is_steered_newest_first_and_goes_on(desk: Desk) -> None:
    at = format_instant(desk.clock.now() + HOUR)
    names = []
    for number in range(3):
        await desk.clock.advance(SECOND)
        names.append(await desk.send(1, bulkId=f"b{number}", sendAt=at))
    await desk.send(1)
    first = (await desk.call("GET", "/line/1/bulks?limit=2")).json
    assert [each["bulkId"] for each in first["results"]] == ["b2", "b1"]
    rest = (await desk.call("GET", f"/line/1/bulks?limit=2&before={first['next']}")).json
    assert [each["bulkId"] for each in rest["results"]] == ["b0"]
    assert "next" not in rest


async def test_the_counter_marks_what_has_ended(desk: Desk) -> None:
    bulk_id = await desk.send(1500)
    counter = Counter(desk.gateway.store.pool, desk.clock)
    await desk.shape()
    await counter.run_once()
    assert [tuple(row) for row in await desk.rows("SELECT due, finished_at FROM bulk_run")] == [
        (1500, None)
    ]
    await desk.gateway.store.pool.execute("DELETE FROM queue")
    await desk.clock.advance(6 * SECOND)
    await counter.run_once()
    assert (await desk.show(bulk_id))["status"] == "FINISHED"
