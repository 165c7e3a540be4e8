"""Every route of the console, as the running application has it: without login, and with another's.

The routes come from the application itself: one that is new is walked at once, and a form that is
new fails here until FORMS says how its fields name what is somebody else's.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from linegate.cli.accounts import account_id_of, create_account
from linegate.console.compose import FIRST_CONTENT
from linegate.postgres.console_setup import accounts_with_backlog
from linegate.postgres.posts import Post, reports_failed
from linegate.postgres.templates import Wording, insert_template
from support.certificates import a_client_pem
from support.clock import FakeClock
from support.console import Visitor, a_user
from support.gateway import ACCOUNT, Gateway, a_request, running_api

VICTIM = "victim"
WORD = "s3cr3t"  # in everything of the victim's that is no id
NUMBER = "819010007777"
MARKUP = "\"'><img src=x onerror=alert(1)>"  # in every free text of the victim's
PEM, VICTIMS_PEM = a_client_pem("anybody"), a_client_pem(f"{WORD} client")
# What anybody may see: the ways in, and our own style sheets and scripts.
OPEN = {"/login", "/enter", "/static/{name}"}
# What the one who logs in always may, and what shows no account.
OF_NOBODY = {"/logout", "/account"}
SEARCHED = "number message bulk campaign entity application sender group since until by leg after"
ODD = ("\0<script>alert(1)</script>", "9" * 400, "\uff19" * 18, "0001-01-01T00:00")
# What asks something and changes nothing, though it is a form.
LOOK_ONLY = {"/compose/judge", "/senders/{sender_id}/check", "/routes/check", "/guide/check"}
HEAD = {"HEAD"}

CONTENT = json.dumps(FIRST_CONTENT).replace("{", "{{").replace("}", "}}")
# How the fields of each form name something; {names} stand for the victim's. A field given twice
# would be a list: none is.
FORMS: dict[str, dict[str, str]] = {
    "/bulks/{account_id}/{bulk_id}/steer": {"word": "pause"},
    "/bulks/{account_id}/{bulk_id}/change": {"amount": "5", "unit": "MINUTE"},
    "/compose/judge": {"content": CONTENT, "sender": "{sender}"},
    "/compose/send": {"content": CONTENT, "sender": "{sender}", "to": "819010000001"},
    "/compose/register": {"content": CONTENT, "sender": "{sender}", "name": "t", "language": "en"},
    "/templates/{template_id}/decide": {"word": "approve"},
    "/webhooks": {"url": "https://example.com/own"},
    "/webhooks/profiles": {"profile": "v-profile", "is_there": "1", "url": "https://example.com/x"},
    "/webhooks/profiles/delete": {"profile": "v-profile"},
    "/webhooks/security": {
        "security": "v-auth",
        "is_there": "1",
        "type": "BASIC",
        "BASIC.username": "mallory",
        "BASIC.password": "mallory",
    },
    "/webhooks/security/delete": {"security": "v-auth"},
    "/webhooks/certificates": {"certificate": "v-certificate", "pem": PEM},
    "/webhooks/certificates/try": {"certificate": "v-certificate", "url": "http://127.0.0.1:9/"},
    "/webhooks/certificates/delete": {"certificate": "v-certificate"},
    "/webhooks/{endpoint_id}/retry": {},
    "/webhooks/{endpoint_id}/replay": {"message": "{message_id}"},
    "/webhooks/{endpoint_id}/range": {
        "since": "2026-01-15T08:00",
        "until": "2026-01-15T12:00",
        "taken": "1",
    },
    "/webhooks/{endpoint_id}/deliveries": {"post": "{post_id}"},
    "/subscriptions": {
        "subscription": "v-subscription",
        "is_there": "1",
        "event": "DELIVERY",
        "profile": "v-profile",
    },
    "/subscriptions/delete": {"subscription": "v-subscription"},
    "/senders": {"name": "{sender}", "channel_id": "9", "secret": "s"},
    "/senders/{sender_id}/check": {},
    "/senders/{sender_id}/change": {"countries": "JP"},
    "/senders/{sender_id}/pause": {"reason": "x"},
    "/senders/{sender_id}/resume": {},
    "/routes": {"name": "v-route", "url": "smpp://u:p@127.0.0.1:9"},
    "/routes/check": {"name": "v-route", "account": VICTIM},
    "/routes/switch": {"name": "v-route", "account": VICTIM, "enabled": "0"},
    "/parts": {"kind": "application", "id": "v-part"},
    "/parts/settings": {"kind": "application", "id": "v-part", "name": "x"},
    "/parts/limits": {"requests_per_second": "1", "default_sender": "{sender}"},
    "/keys": {"name": "x", "scope": "line:manage"},
    "/keys/change": {"key": "{key_id}", "name": "x", "scope": "line:manage"},
    "/keys/rotate": {"key": "{key_id}"},
    "/keys/switch": {"key": "{key_id}", "enabled": "0"},
    "/users": {"name": "v-user", "scope": "line:manage"},
    "/users/password": {"user": "v-user"},
    "/users/switch": {"user": "v-user", "enabled": "0"},
    "/accounts": {"name": VICTIM},
    "/accounts/suspend": {"account": "{account_id}"},
    "/accounts/resume": {"account": "{account_id}"},
    "/account": {"account": "{account_id}"},
    "/logout": {},
    "/guide/check": {},
    "/guide/send": {"to": "819010000001"},
    "/sandbox/switch": {},
}


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock, line_api_url="http://127.0.0.1:9") as running:
        yield running


def routes(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """Method and path of every route below /console."""
    (mount,) = (route for route in gateway.routes if isinstance(route, Mount))
    assert mount.path == "/console"
    assert isinstance(mount.app, Starlette)
    for route in mount.app.routes:
        assert isinstance(route, Route)
        for method in sorted((route.methods or set()) - HEAD):
            yield method, route.path


async def ask(visitor: Visitor, method: str, path: str, names: dict[str, str]) -> Any:
    """Ask a route for what these names stand for."""
    at = "/console" + re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)
    if method == "GET":
        return await visitor.get(at)
    fields = {name: value.format(**names) for name, value in FORMS.get(path, {}).items()}
    return await visitor.post(at, **fields)


async def login(
    gateway: Gateway, clock: FakeClock, name: str, account: str, **more: Any
) -> Visitor:
    await a_user(gateway, clock, name, account=account, **more)
    visitor = Visitor(gateway)
    await visitor.login(name)
    return visitor


@pytest.fixture
async def names(gateway: Gateway, clock: FakeClock) -> dict[str, str]:
    """The victim's belongings, by how paths and fields name them."""
    await create_account(gateway.store, VICTIM)
    owner = await login(gateway, clock, "v-owner", VICTIM)
    for path, fields in _MADE:
        answer = await owner.post(f"/console{path}", **fields)
        assert answer.status in (200, 303), (path, answer.body)
    key = re.search(rb'class="key">([^<]+)<', answer.body)
    assert key is not None
    sent = await gateway.call(
        "POST",
        "/line/1/messages",
        authorization="App " + key[1].decode(),
        json=_a_message(),
    )
    assert sent.status == 200, sent.body
    return await _names(gateway, clock)


def _a_message() -> dict[str, Any]:
    """With markup wherever a client may write what it likes."""
    body = a_request(NUMBER, f"77{MARKUP}", sender=f"{WORD}-sender")
    content = body["messages"][0]["content"]
    content["altText"] = content["contents"]["body"]["contents"][0]["text"] = WORD + MARKUP
    body["messages"][0]["options"] = {
        "campaignReferenceId": WORD + MARKUP,
        "platform": {"entityId": WORD + MARKUP, "applicationId": WORD + MARKUP},
    }
    body["messages"][0]["webhooks"] = {"callbackData": WORD + MARKUP}
    body["options"] = {"schedule": {"bulkId": WORD + MARKUP}}
    return body


_MADE = (
    ("/senders", {"name": f"{WORD}-sender", "channel_id": "2", "secret": "0" * 32}),
    ("/webhooks", {"url": f"https://example.com/{WORD}"}),
    (
        "/webhooks/security",
        {
            "security": "v-auth",
            "type": "BASIC",
            "BASIC.username": WORD,
            "BASIC.password": "p",
        },
    ),
    (
        "/webhooks/profiles",
        {"profile": "v-profile", "url": f"https://example.com/{WORD}", "auth": "v-auth"},
    ),
    (
        "/subscriptions",
        {
            "subscription": "v-subscription",
            "name": WORD + MARKUP,
            "event": "DELIVERY",
            "profile": "v-profile",
            "senders": "nobody",
        },
    ),
    ("/webhooks/certificates", {"certificate": "v-certificate", "pem": VICTIMS_PEM}),
    (
        "/routes",
        {"name": "v-route", "url": "smpp://u:p@127.0.0.1:9", "default_sender": WORD},
    ),
    ("/parts", {"kind": "application", "id": "v-part", "name": WORD + MARKUP}),
    ("/users", {"name": "v-user", "scope": "line:manage"}),
    ("/keys", {"name": WORD + MARKUP, "scope": "message:send"}),
)


async def _names(gateway: Gateway, clock: FakeClock) -> dict[str, str]:
    now = clock.now()
    async with gateway.store.pool.acquire() as conn:
        account_id = await account_id_of(conn, VICTIM)

        async def one(table: str) -> int:
            rows = await conn.fetch(f"SELECT id FROM {table} WHERE account_id = $1", account_id)
            return int(rows[0]["id"])

        sender_id, bulk_id, key_id = await one("sender"), await one("bulk"), await one("api_key")
        endpoint_id = await conn.fetchval("SELECT endpoint_id FROM push")
        message_id = await conn.fetchval("SELECT message_id FROM push")
        template_id = await insert_template(
            conn,
            account_id=account_id,
            sender_id=sender_id,
            name=f"{WORD}-template",
            language="",
            says=Wording("a" + MARKUP, '{"type":"BUBBLE"}', '{"type":"flex"}'),
            now=now,
        )
        tried = Post(
            endpoint_id,
            now,
            3,
            WORD,
            "application/json",
            (),
            0,
            None,
            500,
            WORD + MARKUP,
            WORD + MARKUP,
            [],
        )
        await reports_failed(conn, tried._replace(reports=[(message_id, 0)]), [], now=now)
        post_id = await conn.fetchval("SELECT id FROM push_post")
    return {
        "account_id": str(account_id),
        "bulk_id": f"{bulk_id:016x}",
        "endpoint_id": str(endpoint_id),
        "key_id": str(key_id),
        "message_id": f"{message_id:016x}",
        "post_id": f"{post_id:016x}",
        "sender": f"{WORD}-sender",
        "sender_id": str(sender_id),
        "template_id": str(template_id),
    }


async def audited(gateway: Gateway) -> int:
    """How many acts of the console's users are in the audit log."""
    sql = "SELECT count(*) FROM audit WHERE actor LIKE 'user % (console)'"
    return int(await gateway.store.pool.fetchval(sql))


async def everything_of(gateway: Gateway, account_id: int) -> dict[str, str]:
    """A digest of each table's rows that belong to an account."""
    digest = "md5(string_agg(t::text, '|' ORDER BY t::text))"
    found = {}
    async with gateway.store.pool.acquire() as conn:
        tables = await conn.fetch(
            "SELECT table_name FROM information_schema.columns JOIN pg_class"
            " ON relname = table_name AND NOT relispartition"
            " WHERE column_name = 'account_id' AND table_schema = 'public'"
        )
        for (table,) in tables:
            found[table] = await conn.fetchval(
                f"SELECT {digest} FROM {table} AS t WHERE account_id = $1", account_id
            )
        found["push"] = await conn.fetchval(f"SELECT {digest} FROM push AS t")
        found["account"] = await conn.fetchval(
            f"SELECT {digest} FROM account AS t WHERE id = $1", account_id
        )
    assert sum(value is not None for value in found.values()) > 10
    return found


async def test_nothing_is_shown_or_done_without_login(
    gateway: Gateway, names: dict[str, str]
) -> None:
    stranger = Visitor(gateway)
    before = await everything_of(gateway, int(names["account_id"]))
    walked = 0
    for method, path in routes(gateway):
        if path in OPEN:
            continue
        answer = await ask(stranger, method, path, names)
        assert answer.status in (303, 401), path
        assert WORD not in answer.body.decode()
        if answer.status == 303:
            assert answer.headers["Location"] == "/console/login"
        walked += 1
    assert walked > 60
    assert await everything_of(gateway, int(names["account_id"])) == before


async def test_the_walk_knows_the_fields_of_every_form(gateway: Gateway) -> None:
    forms = {path for method, path in routes(gateway) if method == "POST" and path not in OPEN}
    assert forms == set(FORMS)


async def test_no_route_shows_or_changes_what_is_anothers(
    gateway: Gateway, clock: FakeClock, names: dict[str, str]
) -> None:
    mallory = await login(gateway, clock, "mallory", ACCOUNT)
    before = await everything_of(gateway, int(names["account_id"]))
    for method, path in routes(gateway):
        if path in OPEN or path in OF_NOBODY:
            continue
        answer = await ask(mallory, method, path, names)
        told = answer.body.decode()
        assert WORD not in told.replace(f"named {names['sender']}", ""), (method, path)
        assert NUMBER not in told, (method, path)
        assert answer.status < 500, (method, path)
        if "{" in path:
            assert answer.status in (403, 404), (method, path)
    assert await everything_of(gateway, int(names["account_id"])) == before


async def test_the_walk_has_something_to_find_and_to_do_behind_each_route(
    gateway: Gateway, clock: FakeClock, names: dict[str, str]
) -> None:
    """An operator who acts for the victim is answered by all: the names and fields are right."""
    owner = await login(gateway, clock, "ops", ACCOUNT, is_operator=True)
    await owner.post("/console/account", account=names["account_id"])
    last = ("/subscriptions/delete", "/webhooks/profiles/delete", "/webhooks/security/delete")
    again = {
        "/senders",
        "/routes",
        "/parts",
        "/users",
        "/accounts",
        "/webhooks/certificates",
        "/webhooks/certificates/try",
    }  # their names are taken by now, and nothing listens at the URL
    faults: list[str] = []
    unsaid: list[str] = []
    walk = [each for each in routes(gateway) if each[1] not in OPEN | OF_NOBODY]
    walk.sort(key=lambda each: last.index(each[1]) if each[1] in last else -1)
    for method, path in walk:
        if path.startswith("/sandbox"):
            continue  # LINE is no simulated one here
        before = await audited(gateway)
        answer = await ask(owner, method, path, names)
        if "<img src=x" in answer.body.decode():
            faults.append(f"{method} {path}: shows markup as markup")
        is_act = method == "POST" and path not in LOOK_ONLY and answer.status != 400
        if is_act and await audited(gateway) == before:
            unsaid.append(f"{method} {path}")
        expected = (400,) if method == "POST" and path in again else (200, 303)
        marks = (WORD, NUMBER, names["bulk_id"], names["message_id"])
        shown = any(each in answer.body.decode() for each in marks)
        is_page = method == "GET" and "{" in path and not path.endswith("/live")
        if answer.status not in expected or (is_page and not shown):
            faults.append(f"{method} {path}: {answer.status}")
    assert faults == []
    assert unsaid == [], "it is not in the audit log that and by whom it was done"
    async with gateway.store.pool.acquire() as conn:
        states = {each.name: each for each in await accounts_with_backlog(conn)}
    assert states[VICTIM].suspended_at is None


async def test_odd_words_in_a_path_or_a_field_make_no_route_fall_over(
    gateway: Gateway, clock: FakeClock, names: dict[str, str]
) -> None:
    owner = await login(gateway, clock, "ops", ACCOUNT, is_operator=True)
    await owner.post("/console/account", account=names["account_id"])
    faults: list[str] = []

    def look(answer: Any, method: str, path: str, odd: str) -> None:
        if answer.status >= 500 or b"<script>alert" in answer.body:
            faults.append(f"{method} {path} {odd[:20]!r}: {answer.status}")

    for method, path in routes(gateway):
        if path in OPEN | OF_NOBODY:
            continue
        for odd in ODD:
            if "{" in path:
                odd_names = {**names, path.split("{")[-1].split("}")[0]: quote(odd, safe="")}
                look(await ask(owner, method, path, odd_names), method, path, odd)
            for field in FORMS.get(path, {}):
                given = {key: value.format(**names) for key, value in FORMS[path].items()}
                at = "/console" + re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)
                look(await owner.post(at, **{**given, field: odd}), method, f"{path} {field}", odd)
    for field in SEARCHED.split():
        for odd in ODD:
            path = f"/messages?{field}={quote(odd)}"
            look(await owner.get("/console" + path), "GET", path[:40], odd)
    assert faults == []
