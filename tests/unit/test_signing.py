"""Signatures on reports, checked by the library that receivers use."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from linegate.webhook.signing import SECRET_BYTES, secret_of, signature_headers

SECRET = secret_of(bytes(range(SECRET_BYTES)))
OTHER = secret_of(bytes(SECRET_BYTES))
BODY = b'{"results":[]}'


def signed(*secrets: str, body: bytes = BODY, now: datetime | None = None) -> dict[str, str]:
    # The receivers' library compares with the real clock, so only here it is read.
    at = now or datetime.now(UTC)
    return signature_headers(secrets, delivery_id="dlv_1", body=body, now=at)


def test_the_receivers_library_takes_our_signature() -> None:
    assert Webhook(SECRET).verify(BODY, signed(SECRET)) == {"results": []}


def test_either_secret_is_taken_while_one_is_replaced() -> None:
    headers = signed(SECRET, OTHER)
    assert Webhook(SECRET).verify(BODY, headers) == Webhook(OTHER).verify(BODY, headers)


@pytest.mark.parametrize("body", [b'{"results":[1]}', b'{"results":[] }'])
def test_another_body_is_not_taken(body: bytes) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, signed(SECRET))


def test_another_secret_is_not_taken() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(BODY, signed(SECRET))


def test_an_old_signature_is_not_taken() -> None:
    old = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, signed(SECRET, now=old))


def test_the_example_of_the_specification_has_its_signature() -> None:
    headers = signature_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        now=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_without_padding_is_the_same_secret() -> None:
    assert signed(SECRET.rstrip("="), now=datetime(2026, 1, 1, tzinfo=UTC)) == signed(
        SECRET, now=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_an_id_with_a_dot_could_move_the_border_of_the_body() -> None:
    with pytest.raises(ValueError, match="dot"):
        signature_headers([SECRET], delivery_id="a.1", body=b"", now=datetime.now(UTC))


@pytest.mark.parametrize("secret", ["whsec_!!", "whsec_a"])
def test_a_secret_that_is_not_base64_is_a_bug(secret: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        signed(secret)


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_shows_its_key(key: bytes) -> None:
    assert secret_of(key).startswith("whsec_")
    assert base64.b64decode(secret_of(key).removeprefix("whsec_")) == key


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_key_of_another_size_is_no_secret(size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        secret_of(bytes(size))
