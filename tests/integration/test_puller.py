"""GET /line/1/reports below HTTP: each final report once, oldest first, for 48 h."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from linegate.domain.ids import public_id
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.report.puller import Puller
from support.clock import FakeClock
from support.reports import given_account


def a_puller(pool: Pool, clock: FakeClock) -> Puller:
    return Puller(pool, clock, Metrics(CollectorRegistry()))


async def test_each_report_is_handed_out_once_and_the_oldest_first(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    first = await scene.finished(3, now=clock.now())
    await clock.advance(timedelta(minutes=1))
    second = await scene.finished(3, now=clock.now())
    puller = a_puller(pool, clock)
    four = [each.id for each in await puller.pull(scene.account_id, limit=4)]
    assert four == [*first, second[0]]
    assert [each.id for each in await puller.pull(scene.account_id, limit=4)] == second[1:]
    assert await puller.pull(scene.account_id, limit=4) == []


async def test_concurrent_pulls_share_nothing(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    ids = await scene.finished(400, now=clock.now())
    puller = a_puller(pool, clock)
    pulls = [puller.pull(scene.account_id, limit=100) for _ in range(5)]
    got = [each.id for reports in await asyncio.gather(*pulls) for each in reports]
    assert len(got) == len(set(got))
    rest = [each.id for each in await puller.pull(scene.account_id, limit=1000)]
    assert sorted(got + rest) == ids


async def test_a_report_can_be_pulled_for_48_hours(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    await scene.finished(1, now=clock.now())
    await clock.advance(timedelta(hours=48))
    await scene.finished(1, now=clock.now())
    assert len(await a_puller(pool, clock).pull(scene.account_id, limit=10)) == 1


async def test_nobody_pulls_another_accounts_reports(pool: Pool, clock: FakeClock) -> None:
    mine = await given_account(pool, clock.now())
    yours = await given_account(pool, clock.now(), "other")
    (id_,) = await yours.finished(1, now=clock.now(), client_ids=["M"], campaign="c")
    puller = a_puller(pool, clock)
    bulk = public_id(id_ - 32)
    for asked in (
        {},
        {"message_id": public_id(id_)},
        {"message_id": "M"},
        {"bulk_id": bulk},
        {"campaign": "c"},
    ):
        assert await puller.pull(mine.account_id, limit=10, **asked) == []
    assert len(await puller.pull(yours.account_id, limit=10, bulk_id=bulk)) == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"entity_id": "e"},
        {"application_id": "a"},
        {"campaign": "c"},
        {"entity_id": "e", "application_id": "a", "campaign": "c"},
    ],
)
async def test_every_filter_finds_its_own_and_leaves_the_rest(
    pool: Pool, clock: FakeClock, asked: dict[str, str]
) -> None:
    scene = await given_account(pool, clock.now())
    await scene.finished(2, now=clock.now(), entity="x", application="y", campaign="z")
    wanted = await scene.finished(2, now=clock.now(), entity="e", application="a", campaign="c")
    await scene.finished(2, now=clock.now())
    puller = a_puller(pool, clock)
    got = [each.id for each in await puller.pull(scene.account_id, limit=10, **asked)]
    assert got == wanted
    assert len(await puller.pull(scene.account_id, limit=10)) == 4


async def test_filters_must_all_hold(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    (id_,) = await scene.finished(1, now=clock.now(), entity="e", campaign="c")
    puller = a_puller(pool, clock)
    name, account = public_id(id_), scene.account_id
    assert await puller.pull(account, limit=9, message_id=name, campaign="other") == []
    assert await puller.pull(account, limit=9, entity_id="e", campaign="other") == []
    assert await puller.pull(account, limit=9, bulk_id="unknown") == []
    assert len(await puller.pull(account, limit=9, message_id=name, entity_id="e")) == 1
