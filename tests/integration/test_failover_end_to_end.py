"""From the request to the report: API, worker, simulated LINE and a simulated SMSC, for real."""

from collections.abc import AsyncIterator

import pytest

from support.gateway import SENDER
from support.installation import SMS_TEXT, Installation, installed


@pytest.fixture
async def installation(database_url: str) -> AsyncIterator[Installation]:
    async with installed(database_url) as made:
        yield made


async def test_a_refused_message_reaches_the_phone_by_sms_and_the_report_says_so(
    installation: Installation,
) -> None:
    async with installation.worker():
        await installation.send("819010000090")
        report = await installation.report()
    assert (report["status"]["id"], report["sender"]) == (5, "Shop")
    (shown,) = installation.simulator.app.smsc.phones.shown
    assert (shown.to, shown.text) == ("819010000090", SMS_TEXT)
    assert report["messageCount"] == shown.parts > 1
    path = f"/line/1/messages/{report['messageId']}"
    answer = await installation.gateway.call("GET", path, authorization=installation.key)
    events = [(each["event"], each.get("leg")) for each in answer.json["timeline"]]
    assert ("ATTEMPT", "LINE") in events
    assert ("ATTEMPT", "SMS") in events
    assert ("SMS_RECEIPT", "SMS") in events


async def test_a_delivered_message_leaves_no_sms(installation: Installation) -> None:
    async with installation.worker():
        await installation.send("819010000001")
        report = await installation.report()
    assert (report["status"]["id"], report["sender"]) == (5, SENDER)
    assert not installation.simulator.app.smsc.phones.shown


async def test_a_submit_whose_connection_broke_goes_once_more(installation: Installation) -> None:
    smsc = installation.simulator.app.smsc
    smsc.set_switch("closed")
    async with installation.worker():
        await installation.send("819010000090")
        await installation.until(lambda: smsc.counts["submits"] > 0)
        smsc.set_switch("normal")
        report = await installation.report()
    assert report["status"]["id"] == 5
    assert [shown.text for shown in smsc.phones.shown] == [SMS_TEXT]
