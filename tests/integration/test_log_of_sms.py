"""The log of messages that an SMS took over, through the SMS leg itself."""

from collections.abc import AsyncIterator

import pytest

from linegate.domain.ids import public_id
from linegate.report.logbook import Asked, Logbook
from linegate.report.timeline import timeline_of
from support.sms_world import REFUSED, SmsWorld, sms_world
from support.world import World


@pytest.fixture
async def sms(world: World) -> AsyncIterator[SmsWorld]:
    async with sms_world(world) as made:
        yield made


async def logged(sms: SmsWorld, **asked: str) -> list[int]:
    """The messages that the log shows."""
    book = Logbook(sms.world.pool, sms.world.clock)
    page = await book.page([sms.world.account], Asked(limit=10, **asked))  # type: ignore[arg-type]
    return [each.message.id for each in page.logged]


async def test_a_message_in_its_sms_leg_is_pending(sms: SmsWorld) -> None:
    (id_,) = await sms.accept(1)
    assert await logged(sms, status_group="PENDING") == [id_]
    await sms.line_says(REFUSED)
    assert await sms.legs() == {id_: "due"}
    found = await Logbook(sms.world.pool, sms.world.clock).message(
        sms.world.account, public_id(id_)
    )
    assert found is not None
    told = [(entry["event"], entry.get("statusId")) for entry in timeline_of(*found[:2])]
    events = [("ACCEPTED", None), ("RELEASED", None), ("ATTEMPT", None), ("FAILOVER", 9)]
    assert told == events
    assert await logged(sms, status_group="PENDING") == [id_]
    await sms.send()
    await sms.provider.receipt("1-1", mcc_mnc="44010")
    assert await sms.legs() == {}
    assert await logged(sms, status_group="PENDING") == []
    assert await logged(sms, status_group="DELIVERED") == [id_]
    assert await logged(sms, network="44010") == [id_]
    assert await logged(sms, network="440%") == [id_]
    assert await logged(sms, network="___10") == [id_]
    assert await logged(sms, network="520%") == []


async def timeline(sms: SmsWorld, id_: int) -> list[tuple[str, int | None]]:
    """Events of the time line, with the part or attempt they are about."""
    book = Logbook(sms.world.pool, sms.world.clock)
    found = await book.message(sms.world.account, public_id(id_))
    assert found is not None
    return [
        (each["event"], each.get("part", each.get("attempt"))) for each in timeline_of(*found[:2])
    ]


async def test_the_time_line_names_the_parts_that_receipts_are_about(sms: SmsWorld) -> None:
    sms.provider.parts = 2
    (id_,) = await sms.accept(1)
    await sms.line_says(REFUSED)
    await sms.send()
    await sms.provider.receipt("1-2")
    await sms.provider.receipt("1-1")
    told = [each for each in await timeline(sms, id_) if each[0] == "SMS_RECEIPT"]
    assert sorted(told) == [("SMS_RECEIPT", 1), ("SMS_RECEIPT", 2)]


async def test_the_time_line_tells_of_the_event_that_ended_a_message(sms: SmsWorld) -> None:
    (id_,) = await sms.accept(1)
    await sms.line_says(REFUSED)
    await sms.send()
    await sms.event(id_)
    told = await timeline(sms, id_)
    assert told[-2:] == [("DELIVERY_EVENT", 1), ("ENDED", None)]
