"""The LINE client against a server that breaks every promise HTTP makes.

Two things are proved of each fault: what the outcome is, and how often the
request arrived. A request that arrived is never told to be unsent.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.line.client import (
    BotInfo,
    DeliveredCount,
    IssuedToken,
    LineClient,
    Timeouts,
    WebhookEndpoint,
)
from support.certificates import make_certificates
from support.fault_server import Behaviour, Connection, answering, serving

HASH = "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c"
TAG = "linegate-0123456789abcdef-0001"
FLEX = b'{"type":"flex","altText":"a","contents":{}}'
TEMPLATE = b'{"templateKey":"k","body":{"items":[]}}'
K = OutcomeKind

# For what never comes; everything that does come is waited for as long as in the field.
QUICK = Timeouts(total=timedelta(seconds=0.6), connect=timedelta(seconds=0.3))


async def push(client: LineClient, *, templated: bool = False, token: str = "word") -> Outcome:
    return await client.push(
        token=token,
        to_hash=HASH,
        message_json=TEMPLATE if templated else FLEX,
        tag=TAG,
        templated=templated,
    )


async def push_once(
    url: str, *, timeouts: Timeouts | None = None, ca_pem: bytes | None = None
) -> Outcome:
    async with LineClient(url, timeouts=timeouts, ca_pem=ca_pem) as client:
        return await push(client)


# What is sent ------------------------------------------------------------------------------


async def test_a_flexible_message_is_one_message_to_one_digest() -> None:
    async with serving(answering(200, b"{}", "X-Line-Request-Id: r-1")) as line:
        outcome = await push_once(line.url)
    assert outcome == Outcome(K.ACCEPTED, code=200, request_id="r-1")
    (request,) = line.requests
    assert request.line == "POST /bot/pnp/push HTTP/1.1"
    assert json.loads(request.body) == {"to": HASH, "messages": [json.loads(FLEX)]}
    assert request.headers["authorization"] == "Bearer word"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-line-delivery-tag"] == TAG
    assert "x-line-retry-key" not in request.headers


async def test_a_template_message_has_the_digest_beside_its_key() -> None:
    async with serving(answering(202)) as line, LineClient(line.url) as client:
        outcome = await push(client, templated=True)
    assert outcome == Outcome(K.ACCEPTED, code=202)
    (request,) = line.requests
    assert request.line == "POST /v2/bot/message/pnp/templated/push HTTP/1.1"
    assert json.loads(request.body) == {"to": HASH, **json.loads(TEMPLATE)}
    assert "x-line-retry-key" not in request.headers


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, K.REFUSED),
        (401, K.UNAUTHORISED),
        (403, K.FORBIDDEN),
        (422, K.REFUSED),
        (429, K.SLOWED),
        (500, K.UNKNOWN),
        (502, K.UNKNOWN),
        (503, K.UNKNOWN),
        (504, K.UNKNOWN),
    ],
)
async def test_an_answer_has_the_outcome_of_its_row_and_is_not_tried_again(
    code: int, kind: OutcomeKind
) -> None:
    async with serving(answering(code, b'{"message":"why"}')) as line:
        outcome = await push_once(line.url)
    assert (outcome.kind, outcome.code, outcome.detail) == (kind, code, "why")
    assert len(line.requests) == 1


@pytest.mark.parametrize("token", ["a\nb", "a\r\nX-Other: b", "a\0b"])
async def test_a_token_that_no_header_can_hold_sends_nothing(token: str) -> None:
    async with serving(answering()) as line, LineClient(line.url) as client:
        outcome = await push(client, token=token)
    assert outcome.kind is K.UNAUTHORISED
    assert token not in outcome.detail
    assert line.connections == 0


# Surely not processed ----------------------------------------------------------------------


async def test_a_name_that_does_not_resolve_is_unsent() -> None:
    assert (await push_once("http://no-such-host.invalid", timeouts=QUICK)).kind is K.UNSENT


async def test_a_refused_connection_is_unsent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await push_once(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (outcome.kind, outcome.error) == (K.UNSENT, 7050)


@contextmanager
def a_listener_that_takes_no_more() -> Iterator[str]:
    """Its backlog is full, so that further connections hang: Linux drops them silently."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


async def test_a_connection_not_made_in_time_is_unsent() -> None:
    with a_listener_that_takes_no_more() as url:
        assert (await push_once(url, timeouts=QUICK)).kind is K.UNSENT


async def silent(connection: Connection) -> None:
    await connection.hold()


async def plain_text(connection: Connection) -> None:
    await connection.send(b"220 this is not TLS\r\n")
    await connection.hold()


async def leave(connection: Connection) -> None:
    """Close as soon as the connection is there."""


@pytest.mark.parametrize("behave", [silent, plain_text, leave])
async def test_a_tls_handshake_that_fails_is_unsent(behave: Behaviour) -> None:
    async with serving(behave) as line:
        outcome = await push_once(line.url.replace("http:", "https:"), timeouts=QUICK)
    assert outcome.kind is K.UNSENT


async def test_a_certificate_of_an_unknown_authority_is_unsent(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with serving(answering(), tls=certificates.server) as line:
        outcome = await push_once(line.url)
        trusted = await push_once(line.url, ca_pem=certificates.ca_pem)
    assert outcome.kind is K.UNSENT
    assert trusted.kind is K.ACCEPTED
    assert len(line.requests) == 1


async def test_a_certificate_for_another_name_is_unsent(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with serving(answering(), tls=certificates.server) as line:
        url = line.url.replace("127.0.0.1", "localhost")
        outcome = await push_once(url, ca_pem=certificates.ca_pem)
    assert outcome.kind is K.UNSENT
    assert line.requests == []


# May have been processed -------------------------------------------------------------------


async def read_and_leave(connection: Connection) -> None:
    await connection.read_request()


async def read_and_reset(connection: Connection) -> None:
    await connection.read_request()
    connection.reset()


async def read_and_say_nothing(connection: Connection) -> None:
    await connection.read_request()
    await connection.hold()


async def half_a_status_line(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 20")


async def half_a_head(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-len")


async def half_a_head_and_silence(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-len")
    await connection.hold()


async def nonsense(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"+OK POP3 ready\r\n\r\n")


async def only_an_interim_answer(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")


async def a_head_without_end(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.send(b"x-filler: " + b"a" * 4000 + b"\r\n")


@pytest.mark.parametrize(
    "behave",
    [
        read_and_leave,
        read_and_reset,
        read_and_say_nothing,
        half_a_status_line,
        half_a_head,
        half_a_head_and_silence,
        nonsense,
        only_an_interim_answer,
        a_head_without_end,
    ],
)
async def test_a_request_that_arrived_without_an_answer_is_unknown_and_sent_once(
    behave: Behaviour,
) -> None:
    async with serving(behave) as line:
        outcome = await push_once(line.url, timeouts=QUICK)
    assert (outcome.kind, outcome.error, outcome.code) == (K.UNKNOWN, 7051, 0)
    assert len(line.requests) == 1


async def leave_in_the_middle_of_the_request(connection: Connection) -> None:
    await connection.reader.readuntil(b"\r\n\r\n")
    connection.reset()


@pytest.mark.parametrize("behave", [leave, leave_in_the_middle_of_the_request])
async def test_a_connection_lost_while_we_write_is_not_called_unsent(behave: Behaviour) -> None:
    async with serving(behave) as line:
        outcome = await push_once(line.url)
    assert outcome.kind is K.UNKNOWN
    assert line.connections == 1


async def test_no_answer_in_tls_is_unknown_too(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with serving(read_and_leave, tls=certificates.server) as line:
        outcome = await push_once(line.url, ca_pem=certificates.ca_pem)
    assert outcome.kind is K.UNKNOWN
    assert len(line.requests) == 1


# An answer counts from its head on ---------------------------------------------------------

HEAD = b"HTTP/1.1 %d X\r\nx-line-request-id: r-2\r\ncontent-length: 10\r\n\r\nabc"


def cut_answer(code: int, *, stay: bool) -> Behaviour:
    async def behave(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(HEAD % code)
        if stay:
            await connection.hold()

    return behave


@pytest.mark.parametrize("stay", [False, True])
@pytest.mark.parametrize(("code", "kind"), [(200, K.ACCEPTED), (422, K.REFUSED), (429, K.SLOWED)])
async def test_a_cut_body_changes_nothing(code: int, kind: OutcomeKind, stay: bool) -> None:
    async with serving(cut_answer(code, stay=stay)) as line:
        outcome = await push_once(line.url, timeouts=QUICK)
    assert (outcome.kind, outcome.code, outcome.request_id) == (kind, code, "r-2")
    assert len(line.requests) == 1


async def test_a_header_that_is_no_text_changes_nothing() -> None:
    async def odd(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(
            b"HTTP/1.1 200 X\r\nx-line-request-id: a\xffb\r\ncontent-length: 2\r\n\r\n{}"
        )

    async with serving(odd) as line:
        assert await push_once(line.url) == Outcome(K.ACCEPTED, code=200)


async def drip(connection: Connection) -> None:
    """A body whose end never comes, one byte whenever the last one was taken."""
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while not connection.writer.is_closing():
        await connection.send(b"x")
        await asyncio.sleep(0.05)


async def test_a_slow_body_ends_with_the_total_time_out() -> None:
    async with serving(drip) as line, asyncio.timeout(5):
        outcome = await push_once(line.url, timeouts=QUICK)
    assert outcome.kind is K.ACCEPTED


async def flood(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 400 X\r\ncontent-length: 1000000000\r\n\r\n")
    connection.server.left.clear()
    while True:
        await connection.send(b" " * 65536)


async def test_a_huge_body_is_read_to_64_kb_and_left() -> None:
    async with serving(flood) as line, LineClient(line.url) as client:
        outcome = await push(client)
        await asyncio.wait_for(line.left.wait(), 5)
    assert (outcome.kind, outcome.code) == (K.REFUSED, 400)


async def test_a_redirect_is_not_followed() -> None:
    async with serving(answering()) as other:
        redirect = answering(307, b"", f"Location: {other.url}/bot/pnp/push")
        async with serving(redirect) as line:
            outcome = await push_once(line.url)
    assert (outcome.kind, outcome.code) == (K.UNKNOWN, 307)
    assert (len(line.requests), other.connections) == (1, 0)


async def test_a_packed_body_is_not_unpacked() -> None:
    async with serving(answering(400, b"\x1f\x8b\x08", "Content-Encoding: gzip")) as line:
        outcome = await push_once(line.url)
    assert (outcome.kind, outcome.detail) == (K.REFUSED, "no readable error body")
    assert "accept-encoding" not in line.requests[0].headers


# Connections -------------------------------------------------------------------------------


async def test_connections_are_used_again() -> None:
    async with serving(answering()) as line, LineClient(line.url) as client:
        kinds = {(await push(client)).kind for _ in range(20)}
    assert kinds == {K.ACCEPTED}
    assert line.connections == 1


async def test_a_kept_connection_lost_after_a_request_was_read_is_unknown_and_sent_once() -> None:
    async def eat_the_second(connection: Connection) -> None:
        await connection.read_request()
        await connection.answer()
        await connection.read_request()

    async with serving(eat_the_second) as line, LineClient(line.url) as client:
        first, second = await push(client), await push(client)
    assert (first.kind, second.kind) == (K.ACCEPTED, K.UNKNOWN)
    assert (line.connections, len(line.requests)) == (1, 2)


async def test_a_kept_connection_that_was_closed_is_not_written_to() -> None:
    closed = asyncio.Event()

    async def close_after_one(connection: Connection) -> None:
        await connection.read_request()
        await connection.answer()
        connection.writer.close()
        try:
            await connection.writer.wait_closed()
        finally:
            closed.set()

    kinds: Counter[OutcomeKind] = Counter()
    async with serving(close_after_one) as line, LineClient(line.url) as client:
        for _ in range(200):
            closed.clear()
            kind = (await push(client)).kind
            kinds[kind] += 1
            if kind is K.ACCEPTED:  # what crossed a close was read by nobody
                await closed.wait()
    # A close that crosses our request on the wire cannot be told from a lost answer; that
    # must be rare, and every request that was answered arrived exactly once.
    assert kinds[K.ACCEPTED] + kinds[K.UNKNOWN] == 200
    assert kinds[K.UNKNOWN] <= 20
    assert len(line.requests) == kinds[K.ACCEPTED]


async def test_an_announced_close_never_costs_a_request() -> None:
    async def close_after_one(connection: Connection) -> None:
        await connection.read_request()
        await connection.answer(200, b"{}", "Connection: close")

    async with serving(close_after_one) as line, LineClient(line.url) as client:
        kinds = Counter([(await push(client)).kind for _ in range(100)])
    assert kinds == {K.ACCEPTED: 100}
    assert (line.connections, len(line.requests)) == (100, 100)


async def test_no_more_than_the_limit_are_in_flight_and_the_rest_is_unsent() -> None:
    async with (
        serving(read_and_say_nothing) as line,
        LineClient(line.url, timeouts=QUICK, connections=4) as client,
    ):
        outcomes = await asyncio.gather(*(push(client) for _ in range(7)))
    kinds = Counter(outcome.kind for outcome in outcomes)
    assert kinds == {K.UNKNOWN: 4, K.UNSENT: 3}
    assert (line.connections, len(line.requests)) == (4, 4)


async def test_256_go_at_once() -> None:
    everyone = asyncio.Event()

    async def answer_when_all_are_there(connection: Connection) -> None:
        await connection.read_request()
        if len(connection.server.requests) == 256:
            everyone.set()
        await everyone.wait()
        await connection.answer()

    async with serving(answer_when_all_are_there) as line, LineClient(line.url) as client:
        outcomes = await asyncio.gather(*(push(client) for _ in range(256)))
    assert {outcome.kind for outcome in outcomes} == {K.ACCEPTED}
    assert line.connections == 256


async def test_a_cancelled_push_is_sent_once_and_gives_its_place_back_in_time() -> None:
    """The library does not abort it (docs/decisions/0020); the total time-out does."""
    async with (
        serving(read_and_say_nothing) as line,
        LineClient(line.url, timeouts=QUICK, connections=1) as client,
    ):
        for _ in range(2):
            line.arrived.clear()
            line.left.clear()
            task = asyncio.create_task(push(client))
            await line.arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(line.left.wait(), 5)
    assert (line.connections, len(line.requests)) == (2, 2)


async def test_closing_ends_what_is_in_flight_as_unknown() -> None:
    async with serving(read_and_say_nothing) as line:
        client = LineClient(line.url)
        task = asyncio.create_task(push(client))
        await line.arrived.wait()
        await client.close()
        outcome = await asyncio.wait_for(task, 5)
    assert outcome.kind is K.UNKNOWN


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with serving(answering(599)) as proxy, serving(answering()) as line:
        for other in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(other, raising=False)
        monkeypatch.setenv(name, proxy.url)
        outcome = await push_once(line.url)
    assert outcome.kind is K.ACCEPTED
    assert proxy.connections == 0


async def test_a_sandbox_needs_no_trusted_certificates_but_line_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    async with serving(answering()) as line:
        assert (await push_once(line.url)).kind is K.ACCEPTED
    with pytest.raises(ValueError, match="builder"):
        LineClient("https://api.line.me")


def test_a_connect_time_out_past_the_total_one_is_refused() -> None:
    with pytest.raises(ValueError, match="connect"):
        Timeouts(total=timedelta(seconds=5), connect=timedelta(seconds=5))


# The other calls ---------------------------------------------------------------------------


async def test_bot_info_names_the_account() -> None:
    body = b'{"userId":"U1","basicId":"@a","displayName":"A","chatMode":"chat"}'
    async with serving(answering(200, body)) as line, LineClient(line.url) as client:
        assert await client.bot_info("word") == BotInfo("U1", "@a", "A")
    assert line.requests[0].line == "GET /v2/bot/info HTTP/1.1"
    assert line.requests[0].headers["authorization"] == "Bearer word"


async def test_webhook_endpoint_says_where_events_go() -> None:
    body = b'{"endpoint":"https://example.com/","active":true}'
    async with serving(answering(200, body)) as line, LineClient(line.url) as client:
        found = await client.webhook_endpoint("word")
    assert found == WebhookEndpoint("https://example.com/", active=True)
    assert line.requests[0].line == "GET /v2/bot/channel/webhook/endpoint HTTP/1.1"


@pytest.mark.parametrize(
    ("templated", "path"),
    [
        (False, "/v2/bot/message/delivery/pnp?date=20260307"),
        (True, "/v2/bot/message/delivery/pnp/templated?date=20260307"),
    ],
)
async def test_the_count_is_asked_by_type_and_day(templated: bool, path: str) -> None:
    body = b'{"status":"ready","success":3}'
    async with serving(answering(200, body)) as line, LineClient(line.url) as client:
        found = await client.count_delivered("word", date(2026, 3, 7), templated=templated)
    assert found == DeliveredCount("ready", 3)
    assert line.requests[0].line == f"GET {path} HTTP/1.1"


async def test_a_count_that_is_not_ready_has_no_number() -> None:
    async with (
        serving(answering(200, b'{"status":"unready"}')) as line,
        LineClient(line.url) as client,
    ):
        found = await client.count_delivered("word", date(2026, 3, 7), templated=False)
    assert found == DeliveredCount("unready", None)


async def test_a_token_is_asked_for_as_a_form() -> None:
    body = b'{"token_type":"Bearer","access_token":"t-1","expires_in":900}'
    async with serving(answering(200, body)) as line, LineClient(line.url) as client:
        found = await client.issue_token({"client_id": "1", "client_secret": "a&b=c"})
    assert found == IssuedToken("t-1", timedelta(minutes=15))
    (request,) = line.requests
    assert request.line == "POST /oauth2/v3/token HTTP/1.1"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"client_id=1&client_secret=a%26b%3Dc"
    assert "t-1" not in repr(found)


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [(401, b"{}", K.UNAUTHORISED), (500, b"", K.UNKNOWN), (200, b"<html>", K.UNKNOWN)],
)
async def test_a_call_without_a_good_answer_gives_an_outcome(
    code: int, body: bytes, kind: OutcomeKind
) -> None:
    async with serving(answering(code, body)) as line, LineClient(line.url) as client:
        found = await client.bot_info("word")
    assert isinstance(found, Outcome)
    assert found.kind is kind
