"""What an operator is told about a sender, from a simulated LINE."""

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from linegate.line.assertion import AssertionKey, read_key
from linegate.line.checkup import check_up
from linegate.line.client import LineClient
from linegate.line.tokens import (
    FixedToken,
    RenewedToken,
    TokenFailure,
    TokenSource,
    by_assertion,
    by_channel_secret,
)
from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.clock import FakeClock
from support.gateway import CHANNEL_SECRET, SENDER, running_api

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()


@pytest.fixture
async def simulator(clock: FakeClock) -> AsyncIterator[RunningSimulator]:
    channel = ChannelSettings("1", CHANNEL_SECRET, assertion_keys={"k1": PUBLIC})
    settings = SimulatorSettings(channels=(channel,), wall=lambda: clock.now().timestamp())
    async with running(settings) as sim:
        yield sim


async def findings(
    simulator: RunningSimulator, clock: FakeClock, tokens: TokenSource | None = None
) -> dict[str, tuple[bool, str]]:
    async with LineClient(simulator.url) as client:
        secret = by_channel_secret(client, channel_id="1", channel_secret=CHANNEL_SECRET)
        found = await check_up(
            client,
            tokens or RenewedToken(secret, clock),
            webhook_name=SENDER,
            now=clock.now(),
        )
    return {each.what: (each.is_good, each.words) for each in found}


def point_at(simulator: RunningSimulator, url: str) -> None:
    simulator.app.channels.by_id["1"].events.url = url


async def test_sound_sender_is_good_in_every_point(
    simulator: RunningSimulator, clock: FakeClock, database_url: str
) -> None:
    async with running_api(database_url, clock) as gateway:
        point_at(simulator, f"{gateway.url}/line/webhook/{SENDER}")
        found = await findings(simulator, clock)
    assert {what: good for what, (good, _) in found.items()} == dict.fromkeys(
        ("token", "account", "entitlement", "webhook", "webhook test"), True
    )


async def test_webhook_with_another_secret_is_found_by_lines_own_call(
    simulator: RunningSimulator, clock: FakeClock, database_url: str
) -> None:
    async with running_api(database_url, clock) as gateway:
        point_at(simulator, f"{gateway.url}/line/webhook/{SENDER}")
        async with gateway.store.pool.acquire() as conn:
            other = gateway.store.vault.seal("another", context=f"sender:{SENDER}:secret")
            await conn.execute("UPDATE sender SET channel_secret = $1", other)
        good, words = (await findings(simulator, clock))["webhook test"]
    assert not good
    assert "channel secret" in words


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no webhook URL is set"),
        ("http://127.0.0.1:1/bot", "/line/webhook/ACME"),
        ("http://127.0.0.1:1/line/webhook/ACM%45", "cannot call"),
    ],
)
async def test_webhook_that_leads_elsewhere_is_told(
    simulator: RunningSimulator, clock: FakeClock, url: str, says: str
) -> None:
    point_at(simulator, url)
    found = await findings(simulator, clock)
    good, words = found.get("webhook test", found["webhook"])
    assert not good
    assert says in words


async def test_bad_credentials_are_told_and_nothing_more_is_asked(
    simulator: RunningSimulator, clock: FakeClock
) -> None:
    assert list(await findings(simulator, clock, FixedToken("nonsense"))) == ["token"]
    async with LineClient(simulator.url) as client:
        wrong = by_channel_secret(client, channel_id="1", channel_secret="wrong")
        found = await findings(simulator, clock, RenewedToken(wrong, clock))
    good, words = found["token"]
    assert not good
    assert "channel id and secret" in words


async def test_line_that_is_away_is_told(clock: FakeClock) -> None:
    async with LineClient("http://127.0.0.1:1") as client:
        [finding] = await check_up(client, FixedToken("t"), webhook_name="S", now=clock.now())
    assert not finding.is_good
    assert "cannot be reached" in finding.words


async def test_assertion_key_gets_tokens_that_line_takes(
    simulator: RunningSimulator, clock: FakeClock
) -> None:
    key = read_key(PRIVATE, "k1")
    assert isinstance(key, AssertionKey)
    async with LineClient(simulator.url) as client:
        issue = by_assertion(client, channel_id="1", key=key, clock=clock)
        found = await findings(simulator, clock, RenewedToken(issue, clock))
        assert found["token"][0]
        other = AssertionKey("k2", key.pem)
        issue = by_assertion(client, channel_id="1", key=other, clock=clock)
        assert isinstance(await RenewedToken(issue, clock).token(), TokenFailure)
