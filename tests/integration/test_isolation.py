"""No route of the API lets one account see or change what is another's.

The routes come from the application's own table: one that is new is walked at once, and fails here
until the fixture makes something for it to show.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route

from linegate.cli.accounts import account_id_of, create_account
from linegate.cli.keys import create_key
from linegate.cli.senders import create_sender
from linegate.domain.keys import ALL_SCOPES
from linegate.line.tag import make_tag
from linegate.postgres.identities import KeyRules
from support.bubbles import a_bubble, a_text
from support.certificates import make_certificates
from support.clock import FakeClock
from support.gateway import ACCOUNT, CHANNEL_SECRET, SENDER, Gateway, a_request, running_api

VICTIM = "victim"
THEIRS = "VICTIM"
SECRET = "s3cr3t"  # in everything of the victim's that is no id
NUMBER = "819010007777"
BROKEN = "77"

# What shows nothing of any account.
OF_NOBODY = {
    "/console",  # with a login of its own
    "/health/live",
    "/health/ready",
    "/metrics",
    "/operator/1/accounts",  # of operators: nobody's key has that scope unless it is named
    "/operator/1/accounts/{name}",
    "/operator/1/accounts/{name}/blocklist",
    "/operator/1/accounts/{name}/parts",
    "/operator/1/accounts/{name}/templates",
    "/operator/1/accounts/{name}/webhook-secret",
    "/operator/1/audit",
    "/subscriptions/1/certificates/status",
    "/subscriptions/1/certificates/status/{id}",
}
# Pages with a login of their own, which no key of an account opens.
OF_OPERATORS = {"/console"}
# What shows an account's own without the word: this is looked for instead.
SHOWN = {
    "/line/1/bulks": "v-waiting",
    "/line/1/bulks/status": "v-waiting",
    "/line/1/statistics": '"accepted":3',
    "/subscriptions/1/certificates": "v-cert",
    "/subscriptions/1/certificates/{id}": "v-cert",
    "/subscriptions/1/profiles/{id}": "v-profile",
}

AT_ONCE = 32
Json = dict[str, Any]


@dataclass(slots=True)
class Victim:
    """An account with one of everything. ids: what stands in paths; bodies: what made it."""

    key: str
    account_id: int
    ids: set[str] = field(default_factory=set)
    bodies: list[Json] = field(default_factory=list)
    open_message: int = 0


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def intruder(gateway: Gateway) -> str:
    rules = KeyRules(frozenset(ALL_SCOPES))
    return "App " + await create_key(gateway.store, ACCOUNT, name="intruder", rules=rules)


@pytest.fixture
async def victim(gateway: Gateway, tmp_path: Path) -> Victim:
    store = gateway.store
    await create_account(store, VICTIM)
    await create_sender(store, VICTIM, THEIRS, channel_id="2", channel_secret="0" * 32, token=None)
    rules = KeyRules(frozenset(ALL_SCOPES))
    key = "App " + await create_key(store, VICTIM, name="own", rules=rules)
    async with store.pool.acquire() as conn:
        made = Victim(key, await account_id_of(conn, VICTIM))
    await _send(gateway, made)
    make_certificates(tmp_path)
    await _provision(gateway, made, tmp_path)
    return made


async def _send(gateway: Gateway, victim: Victim) -> None:
    """One message that has ended, one that has not, one that waits."""
    for number, bulk in ((BROKEN, "v-ended"), (NUMBER, "v-open"), (NUMBER, "v-waiting")):
        options = {
            "platform": {"entityId": "v-entity", "applicationId": "v-application"},
            "campaignReferenceId": "v-campaign",
        }
        request = a_request(sender=THEIRS, options=options, webhooks={"callbackData": SECRET}) | {
            "options": {"schedule": {"bulkId": bulk}}
        }
        request["messages"][0]["destinations"] = [{"to": number, "messageId": f"m-{bulk}"}]
        request["messages"][0]["content"]["altText"] = SECRET
        if bulk == "v-waiting":
            request["options"]["schedule"]["sendAt"] = "2026-02-01T00:00:00Z"
        answer = await _made(gateway, victim, "/line/1/messages", request)
        assert answer["bulkId"] == bulk
        victim.ids |= {bulk, f"m-{bulk}"}
    async with gateway.store.pool.acquire() as conn:
        ids = await conn.fetch("SELECT id FROM message UNION SELECT id FROM bulk")
        victim.ids |= {f"{row['id']:016x}" for row in ids}
        victim.open_message = await conn.fetchval(
            "UPDATE queue SET step = 'sent', attempt = 1 RETURNING id"
        )


async def _provision(gateway: Gateway, victim: Victim, folder: Path) -> None:
    pem = (folder / "certificate.pem").read_text() + (folder / "key.pem").read_text()
    headers = {"X-Word": SECRET}
    webhook = {"notifyUrl": f"https://example.com/{SECRET}"}
    security = {"username": SECRET, "password": "-"}
    content = base64.b64encode(pem.encode()).decode()
    made: tuple[tuple[str, Json], ...] = (
        ("/provisioning/1/applications", {"applicationId": "v-app", "applicationName": SECRET}),
        ("/provisioning/1/entities", {"entityId": "v-ent", "entityName": SECRET}),
        (
            "/subscriptions/1/security",
            {"authId": "v-auth", "type": "BASIC", "credentials": security},
        ),
        (
            "/subscriptions/1/profiles",
            {"profileId": "v-profile", "webhook": webhook, "headers": headers},
        ),
        (
            "/subscriptions/1/subscription/LINE",
            {
                "subscriptionId": "v-subscription",
                "name": SECRET,
                "events": ["DELIVERY"],
                "profile": {"profileId": "v-profile"},
            },
        ),
        (
            "/subscriptions/1/certificates",
            {"certificateId": "v-cert", "certificateContent": content},
        ),
        (
            "/line/1/templates",
            {
                "sender": THEIRS,
                "name": "v-template",
                "language": "ja",
                "altText": SECRET,
                "contents": a_bubble(a_text(SECRET)),
            },
        ),
    )
    for path, body in made:
        answer = await _made(gateway, victim, path, body)
        victim.ids |= {value for value in (*body.values(), *answer.values()) if _is_id(value)}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) < 40 and SECRET not in value


async def _made(gateway: Gateway, victim: Victim, path: str, body: Json) -> Json:
    answer = await gateway.call("POST", path, authorization=victim.key, json=body)
    assert answer.status in (200, 201), (path, answer.body)
    victim.bodies.append(body)
    made: Json = answer.json or {}
    return made


def _calls(gateway: Gateway, victim: Victim) -> Iterator[tuple[str, str, str]]:
    """Every route with every one of the victim's ids in its path: route, method, path."""
    for route in gateway.routes:
        if isinstance(route, Mount):
            assert route.path in OF_OPERATORS, "walk what is mounted too"
            continue
        assert isinstance(route, Route)
        for method in sorted(route.methods or ()):
            for path in _paths(route, victim):
                yield route.path, method, path


def _paths(route: Route, victim: Victim) -> set[str]:
    names = list(route.param_convertors)
    fixed = {"channel": ["LINE"], "sender": [THEIRS], "name": [VICTIM]}
    choices = [fixed.get(name, sorted(victim.ids)) for name in names]
    return {
        str(route.url_path_for(route.name, **dict(zip(names, values, strict=True))))
        for values in product(*choices)
    }


def _queries(method: str, route: str) -> list[str]:
    """Ways to ask a route for what is the victim's."""
    bulks = ["bulkId=v-waiting", "bulkId=v-open", "bulkId=v-ended"]
    if "{" in route or method == "POST":
        return [""]
    if method != "GET":
        return bulks
    filters = {
        "messageId": "m-v-ended",
        "sender": THEIRS,
        "destination": NUMBER,
        "entityId": "v-entity",
        "applicationId": "v-application",
        "campaignReferenceId": "v-campaign",
    }
    return ["", *bulks, *(f"{name}={value}" for name, value in filters.items())]


def _bodies(method: str, route: str, path: str, bodies: list[Json]) -> list[Json | None]:
    """What to send: all there is, and to a single thing what it was made of."""
    if method in ("GET", "DELETE"):
        return [None]
    if "{" not in route:
        return [*bodies]
    own = [body for body in bodies if path.rpartition("/")[2] in body.values()]
    return [*(own or bodies[:1])]


async def _everything_of(gateway: Gateway, account_id: int) -> dict[str, str]:
    """A digest of each table's rows that belong to an account."""
    found = {}
    async with gateway.store.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT table_name FROM information_schema.columns JOIN pg_class"
            " ON relname = table_name AND NOT relispartition"
            " WHERE column_name = 'account_id' AND table_schema = 'public'"
        )
        for (table,) in rows:
            found[table] = await conn.fetchval(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t"
                " WHERE account_id = $1",
                account_id,
            )
        for table in ("message", "push", "attempt", "late_event"):
            key = "id" if table == "message" else "message_id"
            found[table] = await conn.fetchval(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t"
                f" WHERE {key} IN (SELECT message.id FROM message"
                " JOIN message_object AS object ON object.id = message.object_id"
                " WHERE object.account_id = $1)",
                account_id,
            )
        found["account"] = await conn.fetchval(
            "SELECT md5(account::text) FROM account WHERE id = $1", account_id
        )
    assert sum(value is not None for value in found.values()) > 10
    return found


async def test_no_route_shows_or_changes_what_is_anothers(
    gateway: Gateway, intruder: str, victim: Victim
) -> None:
    before = await _everything_of(gateway, victim.account_id)
    bodies: list[Json] = [
        *json.loads(json.dumps(victim.bodies).replace(SECRET, "own")),
        {"status": "CANCELED"},
        {"sendAt": "2026-03-01T00:00:00Z"},
    ]
    asked = [
        (method, f"{path}?{query}", body)
        for route, method, path in _calls(gateway, victim)
        for query in _queries(method, route)
        for body in _bodies(method, route, path, bodies)
    ]

    async def ask(method: str, path: str, body: Json | None) -> None:
        answer = await gateway.call(method, path, authorization=intruder, json=body)
        told = answer.body.decode(errors="replace")
        assert SECRET not in told, (method, path, told)
        assert NUMBER not in told or "messages" in (body or {}), (method, path)
        assert answer.status < 500, (method, path, told)

    for at in range(0, len(asked), AT_ONCE):
        await asyncio.gather(*(ask(*each) for each in asked[at : at + AT_ONCE]))
    assert await _everything_of(gateway, victim.account_id) == before


async def test_the_walk_has_something_to_find_behind_each_route(
    gateway: Gateway, victim: Victim
) -> None:
    shown: dict[str, bool] = {}
    for route, method, path in _calls(gateway, victim):
        if method != "GET" or route in OF_NOBODY:
            continue
        for query in _queries(method, route):
            answer = await gateway.call("GET", f"{path}?{query}", authorization=victim.key)
            if answer.status == 200 and SHOWN.get(route, SECRET) in answer.body.decode():
                shown[route] = True
        shown.setdefault(route, False)
    assert [route for route, found in shown.items() if not found] == []


async def test_the_intruders_own_figures_hold_nothing_of_the_victims(
    gateway: Gateway, intruder: str, victim: Victim
) -> None:
    answer = await gateway.call("GET", "/line/1/statistics", authorization=intruder)
    assert answer.json["results"] == []


async def test_signed_event_with_anothers_tag_changes_nothing(
    gateway: Gateway, victim: Victim
) -> None:
    before = await _everything_of(gateway, victim.account_id)
    event = {
        "type": "delivery",
        "delivery": {"data": make_tag(victim.open_message, 1)},
        "timestamp": 1_768_467_600_000,
        "webhookEventId": "01JHM",
        "mode": "active",
        "deliveryContext": {"isRedelivery": False},
    }
    body = json.dumps({"destination": "U1", "events": [event]}).encode()
    digest = hmac.new(CHANNEL_SECRET.encode(), body, hashlib.sha256).digest()
    signature = {"x-line-signature": base64.b64encode(digest).decode()}
    answer = await gateway.call("POST", f"/line/webhook/{SENDER}", headers=signature, data=body)
    assert answer.status == 200
    assert await _everything_of(gateway, victim.account_id) == before
    answer = await gateway.call("POST", f"/line/webhook/{THEIRS}", headers=signature, data=body)
    assert answer.status in (400, 401, 403)
    assert await _everything_of(gateway, victim.account_id) == before
