"""Known numbers in, known metrics out."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from linegate.api.database_metrics import SHOWN, DatabaseMetrics, families_of
from linegate.clock import SystemClock
from linegate.dispatch.receipts import Receipts
from linegate.domain.status import STATUSES
from linegate.metrics import Metrics
from linegate.postgres.directory import hold_sender
from linegate.postgres.observe import observe
from linegate.postgres.pool import Pool
from linegate.report.pulse import Pulse
from linegate.supervisor import Supervisor
from support.clock import FakeClock
from support.gateway import ACCOUNT, a_request, running_api
from support.installation import installed
from support.metrics import Samples, samples_of, scrape
from support.sending import sending
from support.sms_world import ACCEPTED, REFUSED, sms_world
from support.waiting import until
from support.world import HOUR, SECOND, World, a_number

SENDER = "parcel-service"


async def seen(world: World, *, most: int = 10_000) -> Samples:
    async with world.pool.acquire() as conn:
        return Samples(families_of(await observe(conn, most=most), world.now))


async def test_what_waits_is_counted_by_sender_and_step_and_the_oldest_tells_its_age(
    world: World,
) -> None:
    await world.new_sender("empty")
    await world.accept(30)
    await world.clock.advance(10 * SECOND)
    await world.accept(1)
    shown = await seen(world)
    assert shown.get("linegate_queue_messages", sender=SENDER, step="due_bulk") == 30
    assert shown.get("linegate_queue_oldest_seconds", sender=SENDER, step="due_bulk") == 10
    assert shown.get("linegate_queue_messages", sender=SENDER, step="due_alone") == 1
    assert shown.get("linegate_queue_oldest_seconds", sender=SENDER, step="due_alone") == 0
    assert shown.total("linegate_queue_messages", sender="empty") == 0


async def test_a_count_stops_at_its_bound_and_the_age_is_exact_all_the_same(world: World) -> None:
    await world.accept(30)
    await world.clock.advance(SECOND)
    shown = await seen(world, most=20)
    assert shown.get("linegate_queue_messages", sender=SENDER, step="due_bulk") == 20
    assert shown.get("linegate_queue_oldest_seconds", sender=SENDER, step="due_bulk") == 1


async def test_a_lease_that_nobody_takes_over_tells_since_when(world: World) -> None:
    await world.accept(2)
    await world.claim(lease=15 * SECOND)
    await world.clock.advance(15 * SECOND)
    shown = await seen(world)
    assert shown.get("linegate_underway_messages", leg="LINE", step="sending") == 2
    assert shown.get("linegate_overdue_seconds", leg="LINE", step="sending") == 0
    await world.clock.advance(7 * SECOND)
    shown = await seen(world)
    assert shown.get("linegate_overdue_seconds", leg="LINE", step="sending") == 7


async def test_ends_are_counted_once_and_deliveries_by_how_long_they_took(world: World) -> None:
    ids = await world.accept(5)
    async with sending(world) as work:
        await work.turn()
    receipts = Receipts(world.pool, world.clock, world.metrics, linger=timedelta(0))
    await world.clock.advance(3 * SECOND)
    await receipts.take([world.an_event(id_) for id_ in ids[:3]])
    await world.clock.advance(HOUR)
    await receipts.take([world.an_event(id_) for id_ in (*ids[:3], ids[3])])
    await receipts.aclose()
    pulse = Pulse(world.pool, world.clock)
    for _ in range(2):  # a second time adds nothing
        await pulse.run_once()
    shown = await seen(world)
    status = "DELIVERED_TO_HANDSET"
    assert shown.get("linegate_messages_ended_total", status=status) == 4
    assert shown.total("linegate_messages_ended_total") == 4
    assert shown.get("linegate_delivery_seconds_bucket", le="2.0") == 0
    assert shown.get("linegate_delivery_seconds_bucket", le="5.0") == 3
    assert shown.get("linegate_delivery_seconds_bucket", le="21600.0") == 4
    assert shown.get("linegate_delivery_seconds_count") == 4


async def test_every_answer_of_line_is_counted_once_by_outcome_and_status(world: World) -> None:
    fates = [0, 0, 0, 90, 90, 91, 87]
    await world.accept(len(fates), destinations=[a_number(fate) for fate in fates])
    await world.clock.advance(2 * SECOND)
    async with sending(world) as work:
        await work.turn()
        told = await work.requests()
        assert Samples(world.metrics.registry.collect()).total("linegate_in_flight_messages") > 0
        await work.turn()
    await Pulse(world.pool, world.clock).run_once()
    counted = Samples(world.metrics.registry.collect())
    name = "linegate_attempts_total"
    assert counted.get(name, outcome="accepted", code="200") == 3
    assert counted.get(name, outcome="refused", code="422") == 2
    assert counted.get(name, outcome="refused", code="400") == 1
    assert counted.get(name, outcome="unknown", code="500") == 1
    assert counted.total(name) == told == len(fates)
    assert counted.get("linegate_messages_claimed_total") == len(fates)
    assert counted.get("linegate_line_seconds_count") == len(fates)
    assert counted.get("linegate_send_late_seconds_sum") == pytest.approx(2 * len(fates), abs=0.2)
    assert counted.get("linegate_in_flight_messages") == 0
    shown = await seen(world)
    assert shown.get("linegate_messages_ended_total", status=STATUSES[9].name) == 2
    assert shown.get("linegate_messages_ended_total", status=STATUSES[52].name) == 1
    assert shown.total("linegate_underway_messages", leg="LINE", step="sent") == 3
    assert shown.total("linegate_underway_messages", leg="LINE", step="unknown") == 1


async def test_failovers_are_counted_by_cause_and_their_sms_by_route(world: World) -> None:
    async with sms_world(world) as sms:
        await sms.accept()
        await sms.line_says(REFUSED)
        shown = await seen(world)
        assert shown.total("linegate_sms_queue_messages") == 1
        await sms.send()
        assert (await seen(world)).total("linegate_sms_queue_messages") == 0
        await sms.accept(validity=HOUR)
        await sms.line_says(ACCEPTED)
        await world.clock.advance(HOUR)
        await sms.sweep()
        assert (await seen(world)).total("linegate_sms_queue_messages") == 1
    counted = Samples(world.metrics.registry.collect())
    assert counted.get("linegate_failovers_total", cause="silence") == 1
    assert counted.get("linegate_sms_attempts_total", outcome="accepted") == 1
    assert counted.get("linegate_sms_seconds_count") == 1


async def test_a_held_sender_is_shown_with_its_reason_until_it_goes_on(world: World) -> None:
    async with world.pool.acquire() as conn:
        await hold_sender(
            conn, world.sender, hold="forbidden", reason="no", until=None, now=world.now
        )
    shown = await seen(world)
    assert shown.get("linegate_sender_held", sender=SENDER, reason="forbidden") == 1
    await world.pool.execute("UPDATE sender SET hold = NULL")
    assert (await seen(world)).total("linegate_sender_held") == 0


async def test_every_metric_of_the_database_is_declared_and_no_other_is_shown(world: World) -> None:
    async with world.pool.acquire() as conn:
        families = families_of(await observe(conn), world.now)
    shown = {each.name + ("_total" if each.type == "counter" else "") for each in families}
    assert shown == set(SHOWN)


async def test_the_database_is_looked_at_once_in_five_seconds(world: World) -> None:
    metrics = DatabaseMetrics(world.pool, world.clock)
    first = await metrics.families()
    await world.clock.advance(4 * SECOND)
    assert await metrics.families() is first
    await world.clock.advance(SECOND)
    assert await metrics.families() is not first


async def test_while_the_database_is_away_metrics_say_so_and_nothing_else(
    world: World, pool: Pool
) -> None:
    await pool.close()
    (only,) = await DatabaseMetrics(pool, world.clock).families()
    assert [(sample.name, sample.value) for sample in only.samples] == [("linegate_database_up", 0)]


async def test_a_scrape_shows_requests_by_route_and_status_beside_the_database(
    database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock) as api:
        assert (await api.call("POST", "/line/1/messages", json=a_request())).status == 401
        assert (await api.call("POST", "/line/webhook/some-name", data=b"{}")).status == 401
        assert (await api.call("GET", "/line/1/messages/0123456789abcdef")).status == 401
        assert (await api.call("GET", "/nowhere/819010000001")).status == 404
        answer = await api.call("GET", "/metrics")
        assert answer.status == 200
        shown = samples_of(answer.body.decode())
    name = "linegate_requests_total"
    assert shown.get(name, route="/line/1/messages", status="401") == 1
    assert shown.get(name, route="/line/webhook/{sender}", status="401") == 1
    assert shown.get(name, route="/line/1/messages/{message_id}", status="401") == 1
    assert shown.get(name, route="other", status="404") == 1
    assert shown.total("linegate_request_seconds_count") == 4
    assert shown.get("linegate_database_up") == 1
    assert ACCOUNT.encode() not in answer.body  # no route, no endpoint: nothing names an account


async def test_a_client_that_leaves_before_its_request_has_ended_is_no_fault_of_ours(
    database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock) as api:
        where = urlsplit(api.url)
        _, leaving = await asyncio.open_connection(where.hostname, where.port)
        head = b"Host: x\r\nX-Line-Signature: x\r\nContent-Length: 100\r\n\r\n"
        leaving.write(b"POST /line/webhook/ACME HTTP/1.1\r\n" + head + b"half")
        await leaving.drain()
        leaving.close()

        async def counted() -> float:
            shown = samples_of((await api.call("GET", "/metrics")).body.decode())
            assert shown.total("linegate_requests_total", status="500") == 0
            return shown.total("linegate_requests_total", route="/line/webhook/{sender}")

        assert await until(counted) == 1


class Crashing:
    name, interval = "crashing", SECOND

    async def run_once(self) -> int:
        raise OSError("away")


class Resting:
    name, interval = "resting", SECOND

    async def run_once(self) -> int:
        return 0


async def test_loops_show_their_crashes_and_when_they_last_ran(world: World) -> None:
    supervisor = Supervisor(world.clock, metrics=world.metrics)
    began = world.now.timestamp()
    for loop in (Crashing(), Resting()):
        supervisor.add(loop)
    running = asyncio.create_task(supervisor.run())
    await world.clock.settle()
    await world.clock.advance(4 * SECOND)
    shown = Samples(world.metrics.registry.collect())
    running.cancel()
    await asyncio.wait([running])
    assert shown.get("linegate_loop_failing", loop="crashing") == 1
    assert shown.get("linegate_loop_failing", loop="resting") == 0
    assert shown.get("linegate_loop_crashes_total", loop="crashing") == 3  # after 0, 1 and 3 s
    assert shown.get("linegate_loop_success_timestamp_seconds", loop="crashing") == began
    assert shown.get("linegate_loop_success_timestamp_seconds", loop="resting") == began + 4


async def test_two_workers_add_up_and_a_restart_forgets_their_counts_but_no_end(
    database_url: str,
) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    one, other = (Metrics(registry) for registry in registries)
    ended, tried = "linegate_messages_ended_total", "linegate_attempts_total"
    async with installed(database_url) as made, made.worker(one), made.worker(other):
        for number in range(1, 21):
            await made.send(f"8190100{number:05}")

        async def all_have_ended() -> bool:
            return (await scrape(made.gateway.url)).total(ended) == 20

        await until(all_have_ended, within=60, every=0.2)
        shown = await scrape(made.gateway.url)
        assert shown.get("linegate_messages_accepted_total", result="accepted") == 20
        assert shown.get("linegate_events_total", result="delivered") == 20

        async def all_are_counted() -> bool:
            labels = {"outcome": "accepted", "code": "200"}
            counts = (each.get_sample_value(tried, labels) or 0 for each in registries)
            return sum(counts) == 20

        await until(all_are_counted)
    async with running_api(database_url, SystemClock()) as again:
        shown = await scrape(again.url)
        assert shown.get(ended, status="DELIVERED_TO_HANDSET") == 20
        assert shown.total("linegate_messages_accepted_total") == 0
