"""GET /line/1/logs and GET /line/1/messages/{messageId} over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_client import CollectorRegistry

from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.domain.ids import public_id
from linegate.domain.wiretime import format_instant
from linegate.metrics import Metrics
from linegate.postgres.identities import KeyRules
from linegate.shape.shaper import Shaper
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, Gateway, a_request, running_api
from support.reports import Scene, given_account

Json = dict[str, Any]
SCOPES = frozenset({"message:send", "line:logs:read"})
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    rules = KeyRules(scopes=SCOPES)
    return "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)


@pytest.fixture
async def scene(gateway: Gateway) -> Scene:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        account = await account_id_of(conn, ACCOUNT)
        sender = await conn.fetchval("SELECT id FROM sender WHERE name = $1", SENDER)
    return Scene(pool, account, sender)


async def logs(gateway: Gateway, key: str, **asked: object) -> Json:
    answer = await gateway.call("GET", "/line/1/logs?" + urlencode(asked), authorization=key)
    assert answer.status == 200, answer.body
    found: Json = answer.json
    return found


async def ids_of(gateway: Gateway, key: str, **asked: object) -> list[str]:
    found = await logs(gateway, key, **asked)
    return [each["messageId"] for each in found["results"]]


async def test_the_log_shows_the_newest_first_and_can_be_read_again(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    older = await scene.finished(1, now=clock.now() - MINUTE)
    newer = await scene.finished(1, now=clock.now(), status=9, error=7002)
    expected = [public_id(newer[0]), public_id(older[0])]
    assert await ids_of(gateway, key) == expected
    assert await ids_of(gateway, key) == expected


async def test_an_entry_has_the_published_shape(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    (id_,) = await scene.finished(1, now=clock.now(), client_ids=["M-1"], entity="e", campaign="c")
    (entry,) = (await logs(gateway, key))["results"]
    assert set(entry) == {
        "sender",
        "destination",
        "bulkId",
        "messageId",
        "sentAt",
        "doneAt",
        "messageCount",
        "status",
        "error",
        "platform",
        "campaignReferenceId",
        "content",
    }
    assert entry["destination"] == "66855538125"
    assert entry["content"] == {"type": "LINE_NOTIFICATION", "altText": "a", "contents": {}}
    assert entry["bulkId"] == public_id(id_ - 32)


@pytest.mark.parametrize(
    "asked",
    [
        {"sender": SENDER},
        {"destination": "+66 855 538 199"},
        {"messageId": "unknown,M-1"},
        {"generalStatus": "REJECTED"},
        {"entityId": "e"},
        {"applicationId": "a"},
        {"campaignReferenceId": "x,c"},
        {"entityId": "e", "applicationId": "a", "campaignReferenceId": "c"},
        {"messageId": "M-1", "entityId": "e", "destination": "66855538199"},
        {"destination": "66855538199", "generalStatus": "REJECTED", "sender": SENDER},
    ],
    ids="+".join,
)
async def test_every_filter_and_any_mix_of_them_finds_its_own(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock, asked: dict[str, str]
) -> None:
    if "sender" not in asked or len(asked) > 1:
        await scene.finished(1, now=clock.now())
    await scene.finished(
        1,
        now=clock.now(),
        client_ids=["M-1"],
        status=6,
        error=352,
        entity="e",
        application="a",
        campaign="c",
        destination="66855538199",
    )
    assert await ids_of(gateway, key, **asked) == ["M-1"]


async def test_bulks_and_times_filter_too(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    (old,) = await scene.finished(1, now=clock.now() - 10 * MINUTE)
    (new,) = await scene.finished(1, now=clock.now())
    since = format_instant(clock.now() - 5 * MINUTE)
    assert await ids_of(gateway, key, bulkId=public_id(old - 32)) == [public_id(old)]
    assert await ids_of(gateway, key, sentSince=since) == [public_id(new)]
    assert await ids_of(gateway, key, sentUntil=since) == [public_id(old)]
    assert await ids_of(gateway, key, bulkId=public_id(old - 32), sentSince=since) == []


async def test_a_cursor_walks_through_everything_once(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    wanted: set[str] = set()
    for status in (5, 9, 5, 15):
        ids = await scene.finished(5, now=clock.now(), status=status, campaign="c")
        wanted |= {public_id(id_) for id_ in ids}
    for asked in ({}, {"campaignReferenceId": "c"}, {"destination": "66855538125"}):
        seen: list[str] = []
        page = await logs(gateway, key, limit=7, useCursor="true", **asked)
        while page["results"]:
            seen += [each["messageId"] for each in page["results"]]
            if "nextCursor" not in page["cursor"]:
                break
            page = await logs(
                gateway,
                key,
                limit=7,
                useCursor="true",
                cursor=page["cursor"]["nextCursor"],
                **asked,
            )
        assert len(seen) == 20
        assert set(seen) == wanted


async def test_only_the_last_48_hours_are_shown(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    await scene.finished(1, now=clock.now())
    await clock.advance(timedelta(hours=48, minutes=1))
    assert await ids_of(gateway, key) == []
    assert await ids_of(gateway, key, sentSince="2020-01-01T00:00:00.0+01:00") == []


PENDING: list[dict[str, str]] = [
    {},
    {"generalStatus": "PENDING"},
    {"bulkId": "B"},
    {"sender": SENDER, "generalStatus": "PENDING"},
    {"entityId": "e"},
    {"applicationId": "a"},
    {"campaignReferenceId": "c", "bulkId": "B"},
    {"destination": "66855538125"},
    {"messageId": "M"},
]


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(days=4)], ids=["due", "scheduled"])
async def test_a_message_that_has_not_ended_is_found_in_every_way(
    gateway: Gateway, key: str, clock: FakeClock, delay: timedelta
) -> None:
    schedule = {"bulkId": "B", "sendAt": format_instant(clock.now() + delay)}
    sent = await gateway.call(
        "POST", "/line/1/messages", authorization=key, json=pending_request(schedule)
    )
    assert sent.status == 200, sent.body
    await clock.advance(delay / 2)
    for asked in PENDING:
        (entry,) = (await logs(gateway, key, **asked))["results"]
        assert entry["messageId"] == "M"
        assert entry["status"]["groupName"] == "PENDING"
        assert "doneAt" not in entry
        assert entry["content"]["altText"] == "Shipped"
    soon = format_instant(clock.now() + MINUTE)
    for none in (
        {"generalStatus": "EXPIRED"},
        {"campaignReferenceId": "other"},
        {"bulkId": "other"},
        {"sentSince": soon},
        {"entityId": "e", "applicationId": "other"},
        {"mcc": "440"},
        {"messageId": "M", "generalStatus": "EXPIRED"},
    ):
        assert await ids_of(gateway, key, **none) == [], none


async def test_unfinished_and_ended_messages_share_one_order_and_one_cursor(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    wanted = []
    for _ in range(3):
        await clock.advance(MINUTE)
        wanted.append(await accepted(gateway, key, a_request("66855538125")))
        await clock.advance(MINUTE)
        wanted += [public_id(id_) for id_ in await scene.finished(1, now=clock.now())]
    wanted.reverse()
    assert await ids_of(gateway, key) == wanted
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in wanted:
        page = await logs(gateway, key, limit=1, useCursor="true", **cursor)
        seen += [each["messageId"] for each in page["results"]]
        cursor = {"cursor": page["cursor"]["nextCursor"]}
    assert seen == wanted
    assert (await logs(gateway, key, limit=1, **cursor))["results"] == []


def pending_request(schedule: dict[str, str]) -> Json:
    """To one destination, with everything that the log can be filtered by."""
    options = {
        "platform": {"entityId": "e", "applicationId": "a"},
        "campaignReferenceId": "c",
    }
    destinations = [{"to": "66855538125", "messageId": "M"}]
    request = a_request(destinations=destinations, options=options)
    request["options"] = {"schedule": schedule}
    return request


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ({"mcc": "520"}, True),
        ({"mcc": "520", "mnc": "01"}, True),
        ({"mnc": "01"}, True),
        ({"mcc": "520", "mnc": "01", "destination": "66855538125"}, True),
        ({"mcc": "520", "campaignReferenceId": "c"}, True),
        ({"mcc": "440"}, False),
        ({"mcc": "520", "mnc": "10"}, False),
        ({"mcc": "520", "generalStatus": "EXPIRED"}, False),
        ({"mcc": "440", "destination": "66855538125"}, False),
        ({"mcc": "440", "campaignReferenceId": "c"}, False),
    ],
)
async def test_networks_are_those_of_the_sms(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock, asked: Json, is_found: bool
) -> None:
    _by_line, by_sms = await scene.finished(2, now=clock.now(), campaign="c")
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO sms_end (message_id, sender, parts, mcc_mnc, line_status, line_error,"
            " account_id, sent_at) VALUES ($1, 'Shop', 1, '52001', 9, 7002, $2, $3)",
            by_sms,
            scene.account_id,
            clock.now(),
        )
    assert await ids_of(gateway, key, **asked) == ([public_id(by_sms)] if is_found else [])


async def test_a_time_beyond_all_messages_and_a_path_with_nul_find_nothing(
    gateway: Gateway, key: str
) -> None:
    assert await ids_of(gateway, key, sentSince="9999-12-31T23:59:59.000+0000") == []
    assert await ids_of(gateway, key, sentUntil="0001-01-01T00:00:00.000+0000") == []
    for path in ("/line/1/messages/%00", "/subscriptions/1/profiles/%00"):
        assert (await gateway.call("GET", path, authorization=key)).status == 404, path


async def test_xml_where_the_client_wants_it(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    await scene.finished(1, now=clock.now())
    answer = await gateway.call(
        "GET", "/line/1/logs", authorization=key, headers={"Accept": "application/xml"}
    )
    assert b"<LogResponse><results><result><bulkId>" in answer.body


async def test_every_wrong_parameter_is_named(gateway: Gateway, key: str) -> None:
    query = "limit=1001&generalStatus=SENT&sentSince=today&useCursor=yes&cursor=!&mcc=1&mnc=abc"
    answer = await gateway.call("GET", "/line/1/logs?" + query, authorization=key)
    assert answer.status == 400
    blamed = {each["property"] for each in answer.json["violations"]}
    assert blamed == {"limit", "generalStatus", "sentSince", "useCursor", "cursor", "mcc", "mnc"}


async def test_nobody_sees_another_accounts_messages(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    other = await given_account(gateway.store.pool, clock.now(), "other")
    (id_,) = await other.finished(1, now=clock.now(), client_ids=["M"], campaign="c")
    for asked in (
        {},
        {"messageId": "M"},
        {"messageId": public_id(id_)},
        {"bulkId": public_id(id_ - 32)},
        {"destination": "66855538125"},
        {"campaignReferenceId": "c"},
        {"sender": "other-sender"},
    ):
        assert await ids_of(gateway, key, **asked) == []
    answer = await gateway.call("GET", f"/line/1/messages/{public_id(id_)}", authorization=key)
    assert answer.status == 404


async def test_a_message_shows_its_whole_time_line(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    endpoint = await scene.endpoint("https://user:pw@example.com/hook?token=secret")
    (id_,) = await scene.finished(
        1, now=clock.now(), endpoint_id=endpoint, status=9, error=7002, client_ids=["M-1"]
    )
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO attempt VALUES ($1, 1, $2, $2, 'refused', 422, 7002, 'req-1', 'Failed')",
            id_,
            clock.now(),
        )
        await conn.execute(
            "INSERT INTO push_try VALUES ($1, 0, $2, $3, 500, 'answered 500')",
            id_,
            endpoint,
            clock.now() + MINUTE,
        )
    await gateway.call("GET", "/line/1/reports", authorization=key)
    answer = await gateway.call("GET", "/line/1/messages/M-1", authorization=key)
    assert answer.status == 200
    events = {each["event"]: each for each in answer.json["timeline"]}
    told = ["ACCEPTED", "ATTEMPT", "ENDED", "REPORT_WAITING", "REPORT_PULLED", "REPORT_FAILED"]
    assert list(events) == told
    assert events["REPORT_PULLED"]["at"] == format_instant(clock.now())
    assert events["ATTEMPT"]["requestId"] == "req-1"
    assert events["ATTEMPT"]["code"] == 422
    assert events["REPORT_FAILED"]["url"] == "https://example.com/hook"
    assert answer.json["status"]["name"] == "UNDELIVERABLE_NOT_DELIVERED"


async def test_the_time_line_says_when_a_message_left_its_bulk(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    at_once = await accepted(gateway, key, a_request("66855538125"))
    later = a_request("66855538126")
    send_at = clock.now() + timedelta(hours=1)
    later["options"] = {"schedule": {"sendAt": format_instant(send_at)}}
    scheduled = await accepted(gateway, key, later)
    assert await released(gateway, key, at_once) == format_instant(clock.now())
    assert await released(gateway, key, scheduled) is None
    await clock.advance(timedelta(hours=1))
    shaper = Shaper(gateway.store.pool, clock, Metrics(CollectorRegistry()))
    while await shaper.run_once():
        pass
    assert await released(gateway, key, scheduled) == format_instant(send_at)


async def accepted(gateway: Gateway, key: str, request: Json) -> str:
    """Send to one destination; gives its messageId."""
    answer = await gateway.call("POST", "/line/1/messages", authorization=key, json=request)
    assert answer.status == 200, answer.body
    (message,) = answer.json["messages"]
    return str(message["messageId"])


async def released(gateway: Gateway, key: str, message_id: str) -> str | None:
    """When the time line says that a message was released."""
    answer = await gateway.call("GET", f"/line/1/messages/{message_id}", authorization=key)
    return next((e["at"] for e in answer.json["timeline"] if e["event"] == "RELEASED"), None)
