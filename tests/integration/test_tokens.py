"""Tokens: one request however many ask, renewed early, and failures that do not flood LINE."""

import asyncio
from datetime import timedelta

import pytest

from linegate.domain.outcome import OutcomeKind
from linegate.line.client import IssuedToken, LineClient
from linegate.line.tokens import (
    FixedToken,
    RenewedToken,
    TokenFailure,
    TokenFault,
    by_channel_secret,
)
from support.clock import FakeClock
from support.fault_server import Behaviour, Connection, answering, serving

LIFE = timedelta(minutes=15)
DOWN = TokenFailure(TokenFault.UNREACHABLE, 500, "fault")
WRONG = TokenFailure(TokenFault.BAD_CREDENTIALS, 400, "invalid_client")


class Issuer:
    """Gives `t1`, `t2`, ...; or what it is told to. A held one waits to be let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails: TokenFailure | None = None
        self.asking = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> IssuedToken | TokenFailure:
        self.asked += 1
        answer = self.fails or IssuedToken(f"t{self.asked}", LIFE)
        self.asking.set()
        await self.go.wait()
        return answer


def a_source() -> tuple[RenewedToken, Issuer, FakeClock]:
    issuer, clock = Issuer(), FakeClock()
    return RenewedToken(issuer, clock), issuer, clock


async def test_a_token_is_used_until_a_minute_before_its_end() -> None:
    source, issuer, clock = a_source()
    assert await source.token() == "t1"
    await clock.advance(timedelta(minutes=14) - timedelta(seconds=1))
    assert (await source.token(), issuer.asked) == ("t1", 1)
    await clock.advance(timedelta(seconds=1))
    assert (await source.token(), issuer.asked) == ("t2", 2)


async def test_a_crowd_without_a_token_asks_once() -> None:
    source, issuer, _ = a_source()
    issuer.go.clear()
    crowd = [asyncio.create_task(source.token()) for _ in range(256)]
    await issuer.asking.wait()
    issuer.go.set()
    assert set(await asyncio.gather(*crowd)) == {"t1"}
    assert issuer.asked == 1


async def test_a_crowd_before_a_failure_asks_once_too() -> None:
    source, issuer, _ = a_source()
    issuer.fails = DOWN
    issuer.go.clear()
    crowd = [asyncio.create_task(source.token()) for _ in range(256)]
    await issuer.asking.wait()
    issuer.go.set()
    assert set(await asyncio.gather(*crowd)) == {DOWN}
    assert issuer.asked == 1


async def test_nobody_waits_while_the_old_token_still_holds() -> None:
    source, issuer, clock = a_source()
    await source.token()
    await clock.advance(timedelta(minutes=14, seconds=30))
    issuer.go.clear()
    issuer.asking.clear()
    renewing = asyncio.create_task(source.token())
    await issuer.asking.wait()
    assert [await source.token() for _ in range(3)] == ["t1", "t1", "t1"]
    issuer.go.set()
    assert await renewing == "t2"
    assert await source.token() == "t2"


async def test_the_old_token_is_used_to_its_end_while_line_gives_no_new_one() -> None:
    source, issuer, clock = a_source()
    await source.token()
    issuer.fails = DOWN
    await clock.advance(timedelta(minutes=14))
    assert await source.token() == "t1"
    await clock.advance(timedelta(minutes=1))
    assert await source.token() == DOWN


async def test_a_failure_is_remembered_for_a_second_then_longer_up_to_a_minute() -> None:
    source, issuer, clock = a_source()
    issuer.fails = DOWN
    pauses = []
    for _ in range(8):
        asked, since = issuer.asked, clock.now()
        assert await source.token() == DOWN
        assert issuer.asked == asked + 1
        while issuer.asked == asked + 1:
            await clock.advance(timedelta(seconds=1))
            if clock.now() - since > timedelta(minutes=2):
                pytest.fail("never asked again")
            await source.token()
        pauses.append((clock.now() - since).total_seconds())
        # The last try above opened the next pause: step over it.
        await clock.advance(timedelta(seconds=60))
    assert pauses == [1, 4, 16, 60, 60, 60, 60, 60]


async def test_a_success_forgets_the_failures() -> None:
    source, issuer, clock = a_source()
    issuer.fails = WRONG
    assert await source.token() == WRONG
    await clock.advance(timedelta(seconds=1))
    issuer.fails = None
    assert await source.token() == "t2"


async def test_a_cancelled_asker_does_not_take_the_others_along() -> None:
    source, issuer, _ = a_source()
    issuer.go.clear()
    first = asyncio.create_task(source.token())
    await issuer.asking.wait()
    others = [asyncio.create_task(source.token()) for _ in range(3)]
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.go.set()
    assert set(await asyncio.gather(*others)) == {"t2"}


async def test_a_refused_token_is_renewed_once_for_all_who_held_it() -> None:
    source, issuer, clock = a_source()
    await source.token()
    await clock.advance(timedelta(minutes=1))
    renewed = await asyncio.gather(*(source.renew("t1") for _ in range(256)))
    assert set(renewed) == {"t2"}
    assert (await source.token(), issuer.asked) == ("t2", 2)


async def test_a_token_refused_right_after_its_issue_is_not_replaced() -> None:
    source, issuer, clock = a_source()
    await source.token()
    await clock.advance(timedelta(seconds=9))
    refused = await source.renew("t1")
    assert isinstance(refused, TokenFailure)
    assert (refused.fault, issuer.asked) == (TokenFault.BAD_CREDENTIALS, 1)
    await clock.advance(timedelta(seconds=1))
    assert await source.renew("t1") == "t2"


async def test_a_refused_token_is_not_given_out_again_when_no_new_one_comes() -> None:
    source, issuer, clock = a_source()
    await source.token()
    await clock.advance(timedelta(minutes=1))
    issuer.fails = DOWN
    assert await source.renew("t1") == DOWN
    assert await source.token() == DOWN


async def test_a_long_lived_token_is_used_as_given_and_cannot_be_renewed() -> None:
    source = FixedToken("given")
    assert await source.token() == "given"
    refused = await source.renew("given")
    assert isinstance(refused, TokenFailure)
    assert refused.outcome().kind is OutcomeKind.UNAUTHORISED
    assert "given" not in refused.detail


def test_without_a_token_a_message_was_never_sent() -> None:
    assert (DOWN.outcome().kind, DOWN.outcome().code) == (OutcomeKind.UNSENT, 500)
    assert (WRONG.outcome().kind, WRONG.outcome().error) == (OutcomeKind.UNAUTHORISED, 7004)


# Against a server --------------------------------------------------------------------------


async def test_a_channel_proves_itself_by_id_and_secret() -> None:
    body = b'{"token_type":"Bearer","access_token":"t-9","expires_in":900}'
    async with serving(answering(200, body)) as line, LineClient(line.url) as client:
        issue = by_channel_secret(client, channel_id="165", channel_secret="s+1")
        assert await issue() == IssuedToken("t-9", LIFE)
    assert line.requests[0].body == (
        b"grant_type=client_credentials&client_id=165&client_secret=s%2B1"
    )


async def leave(connection: Connection) -> None:
    await connection.read_request()


@pytest.mark.parametrize(
    ("behave", "fault"),
    [
        (answering(400, b'{"error":"invalid_client"}'), TokenFault.BAD_CREDENTIALS),
        (answering(401), TokenFault.BAD_CREDENTIALS),
        (answering(404), TokenFault.BAD_CREDENTIALS),
        (answering(429), TokenFault.UNREACHABLE),
        (answering(500), TokenFault.UNREACHABLE),
        (answering(200, b"<html>"), TokenFault.UNREACHABLE),
        (answering(200, b'{"access_token":"t"}'), TokenFault.UNREACHABLE),
        (leave, TokenFault.UNREACHABLE),
    ],
)
async def test_bad_credentials_are_told_from_a_fault_at_line(
    behave: Behaviour, fault: TokenFault
) -> None:
    async with serving(behave) as line, LineClient(line.url) as client:
        issued = await by_channel_secret(client, channel_id="1", channel_secret="s")()
    assert isinstance(issued, TokenFailure)
    assert issued.fault is fault
