"""The poster to client URLs against receivers that are slow, hostile or gone."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from linegate.webhook.client import PushKind, PushOutcome, WebhookClient, WebhookTimeouts
from linegate.webhook.guard import Guard, is_public
from support.certificates import make_certificates
from support.fault_server import Behaviour, Connection, answering, serving

OPEN = Guard(allow_private=True)
QUICK = WebhookTimeouts(connect=timedelta(seconds=0.3), total=timedelta(seconds=0.6))
K = PushKind


async def post(client: WebhookClient, url: str) -> PushOutcome:
    return await client.post(
        url, body=b"<a/>", content_type="application/xml", headers={"webhook-id": "d-1"}
    )


async def post_once(
    url: str, *, guard: Guard = OPEN, timeouts: WebhookTimeouts | None = None
) -> PushOutcome:
    async with WebhookClient(guard, timeouts=timeouts) as client:
        return await post(client, url)


async def test_body_type_and_headers_arrive_as_given() -> None:
    async with serving(answering(204, b"")) as receiver:
        assert await post_once(receiver.url + "/a?b=c") == PushOutcome(K.TAKEN, 204)
    (request,) = receiver.requests
    assert request.line == "POST /a?b=c HTTP/1.1"
    assert (request.body, request.headers["content-type"]) == (b"<a/>", "application/xml")
    assert request.headers["webhook-id"] == "d-1"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_every_2xx_is_taken(code: int) -> None:
    async with serving(answering(code, b"")) as receiver:
        assert await post_once(receiver.url) == PushOutcome(K.TAKEN, code)


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 503])
async def test_any_other_answer_is_a_failure_sent_once(code: int) -> None:
    async with serving(answering(code, b"secret words")) as receiver:
        outcome = await post_once(receiver.url)
    assert outcome == PushOutcome(K.FAILED, code, f"answered {code}", answer="secret words")
    assert len(receiver.requests) == 1


async def test_410_is_gone() -> None:
    async with serving(answering(410)) as receiver:
        assert (await post_once(receiver.url)).kind is K.GONE


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(code: int) -> None:
    async with (
        serving(answering()) as other,
        serving(answering(code, b"", f"Location: {other.url}")) as receiver,
    ):
        outcome = await post_once(receiver.url)
    assert (outcome.kind, outcome.code) == (K.FAILED, code)
    assert other.connections == 0


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (["Retry-After: 120"], timedelta(seconds=120)),
        (["Retry-After: 0"], timedelta(0)),
        (["Retry-After: 99999999999999999999"], timedelta(hours=24)),
        (
            ["Retry-After: Fri, 06 Mar 2026 10:01:30 GMT", "Date: Fri, 06 Mar 2026 10:00:00 GMT"],
            timedelta(seconds=90),
        ),
        (
            ["Retry-After: Fri, 06 Mar 2026 09:00:00 GMT", "Date: Fri, 06 Mar 2026 10:00:00 GMT"],
            timedelta(0),
        ),
        (["Retry-After: Fri, 06 Mar 2026 10:01:30 GMT"], None),
        (
            [
                "Retry-After: Fri, 06 Mar 9999999999 10:00:00 GMT",
                "Date: Thu, 01 Jan 2026 10:00:00 GMT",
            ],
            None,
        ),
        (["Retry-After: soon"], None),
        (["Retry-After: -5"], None),
        ([], None),
    ],
)
async def test_the_wait_a_receiver_asks_for_is_kept(
    headers: list[str], wait: timedelta | None
) -> None:
    async with serving(answering(503, b"", *headers)) as receiver:
        assert (await post_once(receiver.url)).retry_after == wait


# Broken receivers --------------------------------------------------------------------------


async def leave(connection: Connection) -> None:
    await connection.read_request()


async def say_nothing(connection: Connection) -> None:
    await connection.read_request()
    await connection.hold()


async def nonsense(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"+OK\r\n\r\n")


async def long_header(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "detail"),
    [
        (leave, "the connection was lost"),
        (say_nothing, "no answer in time"),
        (nonsense, "the answer is not HTTP"),
        (long_header, "the answer is not HTTP"),
    ],
)
async def test_no_answer_is_a_failure_sent_once(behave: Behaviour, detail: str) -> None:
    async with serving(behave) as receiver:
        assert await post_once(receiver.url, timeouts=QUICK) == PushOutcome(K.FAILED, detail=detail)
    assert len(receiver.requests) == 1


async def test_a_refused_connection_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await post_once(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert outcome == PushOutcome(K.FAILED, detail="no connection")


class NoName(AbstractResolver):
    """Knows no name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(f"{host} is not known")

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    async with WebhookClient(OPEN, resolver=NoName()) as client:
        outcome = await post(client, "http://receiver.test/")
    assert outcome == PushOutcome(K.FAILED, detail="the name could not be resolved")


async def silent(connection: Connection) -> None:
    await connection.hold()


async def test_a_tls_handshake_that_never_ends_is_cut_off() -> None:
    async with serving(silent) as receiver:
        outcome = await post_once(receiver.url.replace("http:", "https:"), timeouts=QUICK)
    assert outcome.kind is K.FAILED
    assert receiver.requests == []


async def test_a_certificate_that_is_not_trusted_is_a_failure(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path).server
    async with serving(answering(), tls=tls) as receiver:
        outcome = await post_once(receiver.url)
    assert outcome == PushOutcome(K.FAILED, detail="the certificate is not trusted")
    assert receiver.requests == []


async def flood(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        await connection.send(b"x" * 65536)


async def drip(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
    await connection.hold()


@pytest.mark.parametrize("behave", [flood, drip])
async def test_a_body_without_end_changes_nothing_and_is_left(behave: Behaviour) -> None:
    async with serving(behave) as receiver, WebhookClient(OPEN, timeouts=QUICK) as client:
        outcome = await post(client, receiver.url)
        await asyncio.wait_for(receiver.left.wait(), 5)
    assert (outcome.kind, outcome.code) == (K.TAKEN, 200)
    assert set(outcome.answer) == {"x"}
    assert len(outcome.answer) <= 200


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h/", "http://" + "a" * 300 + "/", "http://a..b/"],
)
async def test_a_url_that_cannot_be_called_is_a_failure(url: str) -> None:
    assert (await post_once(url, timeouts=QUICK)).kind is K.FAILED


async def test_a_header_that_cannot_be_written_is_a_failure() -> None:
    async with serving(answering()) as receiver, WebhookClient(OPEN) as client:
        outcome = await client.post(
            receiver.url, body=b"", content_type="text/plain", headers={"x": "a\r\nb: c"}
        )
    assert outcome == PushOutcome(K.FAILED, detail="the URL or a header is not valid")
    assert receiver.requests == []


# Connections -------------------------------------------------------------------------------


async def test_a_slow_receiver_slows_no_other() -> None:
    async with (
        serving(say_nothing) as slow,
        serving(answering()) as quick,
        WebhookClient(OPEN, connections=6, per_host=4) as client,
    ):
        stuck = [asyncio.create_task(post(client, slow.url)) for _ in range(20)]
        await slow.arrived.wait()
        answers = [await asyncio.wait_for(post(client, quick.url), 5) for _ in range(10)]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert {answer.kind for answer in answers} == {K.TAKEN}
    assert slow.connections <= 4


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answering(599)) as proxy, serving(answering()) as receiver:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        outcome = await post_once(receiver.url)
    assert (outcome.kind, proxy.connections) == (K.TAKEN, 0)


# The guard ---------------------------------------------------------------------------------

NOT_PUBLIC = PushOutcome(K.FAILED, detail="the address is not a public one")


def guard_for(url: str) -> Guard:
    return Guard(ports=frozenset({int(url.rsplit(":", 1)[1])}))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    async with serving(answering()) as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        assert await post_once(url, guard=guard_for(url)) == NOT_PUBLIC
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0", "0177.0.0.1"])
async def test_numbers_that_only_look_like_a_name_are_never_called(host: str) -> None:
    async with serving(answering()) as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        outcome = await post_once(url, guard=guard_for(url), timeouts=QUICK)
    assert (outcome.kind, outcome.code) == (K.FAILED, 0)
    assert receiver.connections == 0


async def test_a_port_that_is_not_allowed_is_refused_before_any_look_up() -> None:
    async with serving(answering()) as receiver:
        outcome = await post_once(receiver.url, guard=Guard(ports=frozenset({443})))
    assert outcome.detail.startswith("port")
    assert receiver.connections == 0


class ChangingName(AbstractResolver):
    """Resolves every name to the next of its answers, as a hostile name server would."""

    def __init__(self, *answers: str) -> None:
        self.left = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answer = ResolveResult(
            hostname=host, host=self.left.pop(0), port=port, family=family, proto=0, flags=0
        )
        return [answer]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_name_is_judged_by_what_it_resolves_to_at_the_connection() -> None:
    names = ChangingName("8.8.8.8", "127.0.0.1")
    async with serving(answering()) as receiver:
        url = receiver.url.replace("127.0.0.1", "rebound.test")
        # A check ahead of the request would have seen this public address and passed.
        (checked,) = await names.resolve("rebound.test")
        async with WebhookClient(guard_for(url), resolver=names) as client:
            outcome = await post(client, url)
    assert (is_public(checked["host"]), names.left) == (True, [])
    assert outcome == NOT_PUBLIC
    assert receiver.connections == 0


async def test_a_name_may_lead_to_this_machine_where_the_operator_allows_it() -> None:
    names = ChangingName("127.0.0.1")
    async with serving(answering()) as receiver:
        url = receiver.url.replace("127.0.0.1", "rebound.test")
        async with WebhookClient(OPEN, resolver=names) as client:
            outcome = await post(client, url)
    assert outcome.kind is K.TAKEN
