"""What happens while a process is killed: each scene leads past all points that name it.

A scene asks again for whatever was not answered, as a client should, and waits for nothing that is
not needed to go on. Everything it sent is looked after by `books.py` when it has ended.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable

from linegate.domain.ids import public_id
from linegate.simulator.fates import SWITCHES
from support.crash.town import ACCOUNT, SENDER
from support.crash.visit import Visit
from support.waiting import until

__all__ = ["BY_NAME", "Scene"]

Scene = Callable[[Visit], Awaitable[None]]


def _text(visit: Visit) -> dict[str, str]:
    return {"text": visit.name, "sender": "Shop"}


def _many(visit: Visit, count: int, ending: str = "000") -> list[str]:
    return [visit.numbers.take(ending) for _ in range(count)]


async def sending(visit: Visit) -> None:
    """Requests of every kind, with LINE's usual oddities: late, twice, slow, 429, 500, 422."""
    take = visit.numbers.take
    odd = [take(f"0{fate}") for fate in ("00", "01", "83", "86", "90", "94", "99")]
    await visit.refused(visit.message(_many(visit, 2), seconds=1))
    await visit.send(visit.message(odd, interim=True))
    name = f"{visit.name} named"
    await visit.send_named(name, visit.message(_many(visit, 3)))
    await visit.refused(visit.message(_many(visit, 2)), bulkId=name)
    named = visit.message(_many(visit, 2))
    named["destinations"].append({"to": "12"})
    await visit.send(named)


async def scheduling(visit: Visit) -> None:
    """A bulk at its time, one at its pace with a number that comes back, one in its window."""
    plain = visit.message([*_many(visit, 3), visit.numbers.take("094")])
    await visit.send(plain, schedule={"sendAt": visit.at(0.6)})
    paced = visit.message([visit.numbers.take("094"), *_many(visit, 4)])
    limit = {"amount": 600, "timeUnit": "MINUTE"}
    await visit.send(paced, schedule={"sendAt": visit.at(0.3), "sendingSpeedLimit": limit})


async def steering(visit: Visit) -> None:
    """Every word to a bulk: later, sooner, slower, faster, stop, go on, never."""
    limit = {"amount": 60, "timeUnit": "MINUTE"}
    fast = {"amount": 6000, "timeUnit": "MINUTE"}
    bulk, _ = await visit.send(
        visit.message(
            [visit.numbers.take("099"), *_many(visit, 5)],  # the first is not done at once
            smsFailover=_text(visit),
        ),
        schedule={"sendAt": visit.at(3600)},
    )
    await visit.change(bulk, sendAt=visit.at(0.2), sendingSpeedLimit=limit)
    await asyncio.sleep(0.5)
    await visit.say(bulk, "PAUSED")
    await visit.until_rows(
        "SELECT 1 FROM bulk_run WHERE bulk_id = $1 AND next_at IS NULL", int(bulk, 16)
    )
    await visit.change(bulk, sendingSpeedLimit=None)
    await visit.say(bulk, "PROCESSING")
    await visit.until_rows(
        "SELECT 1 FROM bulk_run WHERE bulk_id = $1 AND paused_at IS NULL AND NOT repace",
        int(bulk, 16),
    )
    await visit.change(bulk, sendingSpeedLimit=fast)
    at_once, _ = await visit.send(visit.message([visit.numbers.take("099"), *_many(visit, 2)]))
    await visit.say(at_once, "PAUSED")
    await visit.say(at_once, "PROCESSING")
    never, ids = await visit.send(
        visit.message(_many(visit, 4)), schedule={"sendAt": visit.at(3600)}
    )
    visit.cancelled.update(ids)
    await visit.say(never, "CANCELED")


async def importing(visit: Visit) -> None:
    """An import that opens, and one with a broken line, which leaves nothing behind."""
    good = [json.dumps({"to": number}) for number in _many(visit, 5)]
    await visit.import_bulk(f"{visit.name} import", good)
    bad = [json.dumps({"to": number}) for number in _many(visit, 4200)]
    await visit.import_bulk(f"{visit.name} bad", [*bad, '{"to": 5}'], good=False)
    await visit.until_rows(
        "SELECT 1 FROM bulk_run WHERE status = 'failed' HAVING bool_and(finished_at IS NOT NULL)"
    )


async def texting(visit: Visit) -> None:
    """LINE refuses and an SMS goes, by SMPP and by HTTP, to every fate; LINE tells after all."""
    take, text = visit.numbers.take, _text(visit)
    fates = [take(f"{sms}90") for sms in "0123456799"]
    fates += [take("090", "TH"), take("090", "TH")]
    await visit.send(visit.message(fates, smsFailover=text, interim=True))
    silent = [take("890"), take("890", "TH")]
    _, told_after = await visit.send(visit.message(silent, smsFailover=text))
    old, ids = await visit.send(
        visit.message(_many(visit, 2), smsFailover=text), schedule={"sendAt": visit.at(3600)}
    )
    visit.never_asked.update(ids)
    await visit.fetch(
        "UPDATE track SET eligible_at = now() - interval '1 day' FROM message"
        " WHERE message.track_id = track.id AND message.id = $1",
        ids[0],
    )
    await visit.change(old, sendAt=visit.at(0.1))
    for id_ in told_after:
        await visit.until_rows(
            "SELECT 1 FROM sms_leg WHERE id = $1 AND step = 'sent'"
            " UNION ALL SELECT 1 FROM final WHERE message_id = $1",
            id_,
        )
        await visit.delivered(id_)
    await visit.until_rows(
        "SELECT 1 FROM final WHERE message_id = ANY($1) HAVING count(*) = 2", told_after
    )
    await visit.town.outside.tell(public_id(told_after[1]))


async def refusing(visit: Visit) -> None:
    """LINE refuses a content whoever it goes to; it is stopped, and goes on when told to."""
    limit = {"amount": 3000, "timeUnit": "MINUTE"}
    bulk, ids = await visit.send(
        visit.message(_many(visit, 40, "091")), schedule={"sendingSpeedLimit": limit}
    )
    visit.cancelled.update(ids)
    await visit.until_rows(
        "SELECT 1 FROM object_hold AS hold JOIN message ON message.object_id = hold.object_id"
        " WHERE message.id = $1 UNION ALL"
        " SELECT 1 FROM final WHERE message_id = ANY($2) HAVING count(*) = 40",
        ids[0],
        ids,
    )
    await visit.say(bulk, "PROCESSING")
    await visit.say(bulk, "CANCELED")


async def holding(visit: Visit) -> None:
    """LINE does not know the sender any more, and knows it again; and it was not heard for long."""
    await visit.town.command("sender", "resume", "--account", ACCOUNT, "--sender", SENDER)
    (channel,) = visit.town.line.app.channels.by_id.values()
    channel.switched = SWITCHES["401"]
    await visit.send(visit.message(_many(visit, 3)))
    await visit.until_rows("SELECT 1 FROM sender WHERE hold IS NOT NULL")
    channel.switched = None
    await visit.fetch(
        "INSERT INTO sender_ear (sender_id, unheard, unheard_since)"
        " SELECT id, 1000, now() - interval '1 hour' FROM sender"
        " ON CONFLICT (sender_id) DO UPDATE"
        " SET unheard = excluded.unheard, unheard_since = excluded.unheard_since, deaf_at = NULL"
    )


async def suspending(visit: Visit) -> None:
    """The account is suspended with messages and SMS on their way, and goes on."""
    await visit.until_rows(
        "SELECT 1 FROM account WHERE parked_since IS NULL AND name = $1", ACCOUNT
    )
    limit = {"amount": 300, "timeUnit": "MINUTE"}
    text, take = _text(visit), visit.numbers.take
    await visit.send(visit.message([take("490"), take("490")], smsFailover=text))
    await visit.send(visit.message(_many(visit, 6)), schedule={"sendingSpeedLimit": limit})
    await visit.suspend(yes=True)
    await visit.until_rows("SELECT 1 FROM account WHERE parked_since IS NOT NULL")
    await visit.suspend(yes=False)


async def relaying(visit: Visit) -> None:
    """An event that is the bot's; the bot takes it the second time."""
    id_ = f"{visit.name}-message"
    await visit.event(type="message", timestamp=0, webhookEventId=id_)

    async def has_it() -> bool:
        return id_ in visit.town.outside.bot

    await until(has_it, within=30, every=0.1)


async def pulling(visit: Visit) -> None:
    """Reports are fetched: the oldest, those of a bulk, that of a message."""
    bulk = f"{visit.name}-pulled"
    ids = await visit.send_named(bulk, visit.message(_many(visit, 4)))
    await visit.until_rows(
        "SELECT 1 FROM final WHERE message_id = ANY($1) HAVING count(*) = 4", ids, within=30
    )
    one = next(name for name, id_ in visit.public().items() if id_ == ids[0])
    await visit.pull(messageId=one)
    await visit.pull(bulkId=bulk, limit="1")
    await visit.pull(limit="1000")


async def pushing(visit: Visit) -> None:
    """The client's endpoint is slow, fails, is gone, and takes everything in the end."""
    visit.answer_reports(200, after=1.5)
    await visit.send(visit.message(_many(visit, 2)))
    await visit.until_ended()
    visit.answer_reports(500)
    _, ids = await visit.send(visit.message(_many(visit, 2)))
    await visit.until_rows("SELECT 1 FROM push WHERE message_id = ANY($1) AND tries > 0", ids)
    visit.answer_reports(410)
    endpoint = await visit.endpoint()
    await visit.town.command("webhook", "retry", endpoint)
    await visit.until_rows(
        "SELECT 1 FROM push WHERE message_id = ANY($1) AND given_up_at IS NOT NULL", ids
    )
    visit.answer_reports(200)
    since = visit.at(-3600)
    await visit.town.command("webhook", "replay", endpoint, "--since", since)
    await visit.town.command("webhook", "replay", endpoint, "--since", since, "--all")
    await visit.town.command("webhook", "retry", endpoint)


async def stopping(visit: Visit) -> None:
    """Worker and API are stopped in order; before, the worker slept for longer than its leases."""
    town = visit.town
    worker = town.roles["worker1"]
    worker.signal(signal.SIGSTOP)
    await visit.send(visit.message([visit.numbers.take("086"), *_many(visit, 2)]))
    async with town.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE message_object IN ACCESS EXCLUSIVE MODE")
        worker.signal(signal.SIGCONT)
        await asyncio.sleep(2.5)
    await asyncio.sleep(0.3)
    await town.restart("worker1")
    await town.restart("api")
    await visit.send(visit.message(_many(visit, 1)))


async def erasing(visit: Visit) -> None:
    """A person is erased who has a message that was sent and one that was not."""
    person = visit.numbers.take("079", "TW")
    _, ids = await visit.send(visit.message([person]))
    await visit.until_rows("SELECT 1 FROM final WHERE message_id = $1", ids[0])
    _, later = await visit.send(visit.message([person]), schedule={"sendAt": visit.at(3600)})
    await visit.town.command("erase", "--destination", person)
    await visit.forgotten([*ids, *later])


async def forgetting(visit: Visit) -> None:
    """Days go by: what is old enough goes, and what waits is there when its time comes."""
    _, ids = await visit.send(visit.message(_many(visit, 3)))
    late, _ = await visit.send(
        visit.message(_many(visit, 2)), schedule={"sendAt": visit.at(20 * 86_400)}
    )
    await visit.until_rows(
        "SELECT 1 FROM final WHERE message_id = ANY($1) HAVING count(*) = 3", ids, within=30
    )
    await visit.until_no_reports(ids)
    await visit.town.days_go_by(3)
    await visit.forgotten(ids)
    await visit.change(late, sendAt=visit.at(0))


_ALL: tuple[Scene, ...] = (
    sending,
    scheduling,
    steering,
    importing,
    texting,
    refusing,
    holding,
    suspending,
    relaying,
    pulling,
    pushing,
    stopping,
    erasing,
    forgetting,
)
BY_NAME: dict[str, Scene] = {str(getattr(scene, "__name__", "")): scene for scene in _ALL}
