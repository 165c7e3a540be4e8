"""Traces from request to report, as a collector receives them from the real exporter."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linegate.domain.trace import Trace
from linegate.metrics import Metrics
from linegate.report.teller import TraceTeller
from linegate.sealing import sender_context
from linegate.tracing import open_tracer
from support.clock import FakeClock
from support.collector import Seen, seen_by
from support.fault_server import Connection, FaultServer, answering, serving
from support.gateway import SENDER, a_request
from support.installation import Installation, installed
from support.waiting import until
from support.world import World

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, PARENT = CALLER[3:35], CALLER[36:52]
UNSAMPLED = CALLER[:-2] + "00"
REFUSED, DELIVERED = "819010000090", "819010000001"
MESSAGE = {
    *("message", "shape", "claim", "hand over to LINE", "failover", "hand over to SMS"),
    *("SMS receipt", "report"),
}


@asynccontextmanager
async def traced(
    dsn: str, collector: FaultServer | None, **settings: str
) -> AsyncIterator[Installation]:
    """An installation with its endpoint for reports, that traces to this collector."""
    given = {"trace_endpoint": collector.url, **settings} if collector else settings
    async with installed(dsn, webhook_allow_private="1", **given) as made:
        await made.takes_reports()
        yield made


async def spans_of(collector: FaultServer, *names: str) -> list[Seen]:
    """Everything that has come once all of these have."""

    async def all_of_them() -> list[Seen] | None:
        seen = seen_by(collector)
        return seen if set(names) <= {span.name for span in seen} else None

    seen = await until(all_of_them, within=60)
    assert seen is not None
    return seen


async def untold(made: Installation) -> int:
    async with made.gateway.store.pool.acquire() as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM untold")
    return count


async def receiver_was_told(made: Installation) -> dict[str, str]:
    """The headers of the newest post of reports."""

    async def posted() -> dict[str, str] | None:
        url = f"{made.simulator.url}/subscriber"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            told = await answer.json()
            return told["lastHeaders"] if told["reports"] else None

    headers = await until(posted, within=60)
    assert headers is not None
    return headers


async def test_a_message_that_fails_over_is_one_connected_trace(database_url: str) -> None:
    async with serving(answering()) as collector, traced(database_url, collector) as made:
        before = time.time()
        with capture_logs() as lines:
            async with made.worker():
                message_id = await made.send(REFUSED, traceparent=CALLER)
                headers = await receiver_was_told(made)
                spans = await spans_of(collector, "POST /line/1/messages", "accept", *MESSAGE)
    attempts = [line for line in lines if line["event"] == "attempt.finished"]
    assert [(line["leg"], line["trace_id"]) for line in attempts] == [
        ("LINE", TRACE),
        ("SMS", TRACE),
    ]
    assert REFUSED not in str([lines, spans])
    assert {span.name for span in spans} == {"POST /line/1/messages", "accept", *MESSAGE}
    assert {(span.trace_id, span.service) for span in spans} == {(TRACE, "linegate")}
    by_name = {span.name: span for span in spans}
    request, message = by_name["POST /line/1/messages"], by_name["message"]
    assert request.parent_id == PARENT
    assert by_name["accept"].parent_id == message.parent_id == request.span_id
    below = [span for span in spans if span.name in MESSAGE - {"message"}]
    assert {span.parent_id for span in below} == {message.span_id}
    assert {span.attributes["linegate.message_id"] for span in [message, *below]} == {message_id}
    assert len({span.span_id for span in spans}) == len(spans)
    _, trace_id, span_id, flags = headers["traceparent"].split("-")
    assert (trace_id, span_id, flags) == (TRACE, by_name["report"].span_id, "01")
    _check_statuses(by_name)
    _check_times(by_name, before)


def _check_statuses(by_name: dict[str, Seen]) -> None:
    assert {name for name, span in by_name.items() if span.is_error} == {"hand over to LINE"}
    line, sms = by_name["hand over to LINE"], by_name["hand over to SMS"]
    assert line.why.startswith("refused")
    assert line.attributes["http.response.status_code"] == 422
    assert sms.attributes["linegate.route"] == "main"
    assert by_name["message"].attributes["linegate.status"] == "DELIVERED_TO_HANDSET"
    assert by_name["message"].attributes["linegate.failed_over"] is True
    assert by_name["failover"].attributes["linegate.status"] == "UNDELIVERABLE_NOT_DELIVERED"
    assert by_name["report"].attributes["http.response.status_code"] == 200
    assert by_name["POST /line/1/messages"].attributes["http.response.status_code"] == 200


def _check_times(by_name: dict[str, Seen], before: float) -> None:
    whole = by_name["message"]
    assert before - 0.01 <= by_name["POST /line/1/messages"].started <= time.time()
    stages = ("shape", "hand over to LINE", "failover", "hand over to SMS", "SMS receipt")
    ordered = [by_name[name] for name in stages]
    for earlier, later in itertools.pairwise(ordered):
        assert earlier.ended <= later.started + 1e-6, (earlier.name, later.name)
    assert whole.started <= ordered[0].started
    assert all(span.started <= span.ended <= time.time() for span in by_name.values())
    assert by_name["report"].started >= whole.ended


async def test_line_and_its_event_are_told_and_line_is_told_nothing(database_url: str) -> None:
    async with (
        serving(answering()) as collector,
        serving(answering(422, b'{"message":"no"}')) as line,
        traced(database_url, collector, trace_share="1") as made,
    ):
        async with made.worker():
            await made.send(DELIVERED)
            seen = await spans_of(collector, "message", "LINE event")
        token = made.gateway.store.vault.seal("word", context=sender_context(SENDER, "token"))
        async with made.gateway.store.pool.acquire() as conn:
            await conn.execute("UPDATE sender SET access_token = $1", token)
        async with made.worker(line_url=line.url):
            await made.send(DELIVERED)
            await until(lambda: _is_asked(line), within=60)
    event = next(span for span in seen if span.name == "LINE event")
    hand_over = next(span for span in seen if span.name == "hand over to LINE")
    assert event.started == hand_over.ended
    assert not hand_over.is_error
    assert not any("traceparent" in request.headers for request in line.requests)


async def _is_asked(line: FaultServer) -> bool:
    return any("/bot/pnp/push" in request.line for request in line.requests)


async def test_who_is_traced(database_url: str) -> None:
    async with serving(answering()) as collector, traced(database_url, collector) as made:
        await made.send(DELIVERED, traceparent=UNSAMPLED)
        assert await untold(made) == 0
        await made.send(DELIVERED, traceparent=CALLER)
        assert await untold(made) == 1
        numbers = [f"8190100{n:05}" for n in range(1, 51)]
        path, headers = "/line/1/messages", {"traceparent": CALLER}
        answer = await made.gateway.call(
            "POST", path, headers=headers, authorization=made.key, json=a_request(*numbers)
        )
        assert answer.status == 200
        assert await untold(made) == 1 + 20
        refused = await made.gateway.call("POST", path, headers=headers, json={})
        assert refused.status == 401
        assert await untold(made) == 21
        accepted = [span for span in await spans_of(collector, "accept") if span.name == "accept"]
        assert [span.attributes["linegate.messages"] for span in accepted] in ([1], [1, 50])


async def test_without_a_collector_nothing_is_kept(database_url: str) -> None:
    async with traced(database_url, None) as made, made.worker():
        await made.send(DELIVERED, traceparent=CALLER)
        headers = await receiver_was_told(made)
        async with made.gateway.store.pool.acquire() as conn:
            kept = await conn.fetchval(
                "SELECT count(*) FROM message_object WHERE trace IS NOT NULL"
            )
            assert (kept, await conn.fetchval("SELECT count(*) FROM untold")) == (0, 0)
    assert "traceparent" not in headers


async def test_a_collector_that_does_not_answer_keeps_no_message_and_misses_none(
    database_url: str,
) -> None:
    registry = CollectorRegistry()
    answers = asyncio.Event()

    async def hold_at_first(connection: Connection) -> None:
        if answers.is_set():
            await answering()(connection)
        await connection.read_request()
        await connection.hold()

    async with (
        serving(hold_at_first) as collector,
        traced(database_url, collector) as made,
        made.worker(Metrics(registry)),
    ):
        await made.send(DELIVERED, traceparent=CALLER)
        report = await made.report()
        assert report["status"]["groupName"] == "DELIVERED"
        await until(lambda: _count(registry, "failed"), within=60)
        assert await _count(registry, "exported") == 0
        assert await untold(made) == 1
        answers.set()
        async with made.gateway.store.pool.acquire() as conn:
            await conn.execute("UPDATE untold SET look_at = now()")
        await spans_of(collector, "message", "LINE event")
        await until(lambda: _is_told(made), within=60)


async def test_those_that_wait_are_all_looked_at_and_then_left_alone(world: World) -> None:
    metrics = Metrics(CollectorRegistry())
    async with serving(answering()) as collector:
        tracer = open_tracer(
            collector.url, share=1, role="worker", clock=world.clock, metrics=metrics
        )
        assert tracer is not None
        for number in range(1, 61):
            bulk = world.a_bulk(world.an_object(1))
            bulk.trace = Trace(number, number)
            await world.acceptor.accept(bulk)
        await world.clock.advance(timedelta(seconds=2))
        teller = TraceTeller(world.pool, world.clock, tracer)
        assert [await teller.run_once() for _ in range(3)] == [50, 0, 0]
        (first,) = await world.rows("SELECT min(look_at) AS at FROM untold")
        assert first["at"] == world.now + timedelta(seconds=1)
        await tracer.aclose()


async def test_spans_beyond_the_queue_are_dropped_and_an_end_waits_for_nobody(
    clock: FakeClock,
) -> None:
    registry = CollectorRegistry()

    async def hold(connection: Connection) -> None:
        await connection.read_request()
        await connection.hold()

    async with serving(hold) as collector:
        tracer = open_tracer(
            collector.url, share=1, role="api", clock=clock, metrics=Metrics(registry)
        )
        assert tracer is not None
        while not await _count(registry, "dropped"):
            request = tracer.begin(None)
            assert request is not None
            request.ended("/line/1/messages", 200)
        began = time.monotonic()
        await tracer.aclose()
        closed = time.monotonic() - began
    assert closed < 20  # to hand over a whole queue, at 5 s for each call, would take 40 s


async def _count(registry: CollectorRegistry, result: str) -> float:
    found = registry.get_sample_value("linegate_trace_spans_total", {"result": result})
    return found or 0


async def _is_told(made: Installation) -> bool:
    return await untold(made) == 0
