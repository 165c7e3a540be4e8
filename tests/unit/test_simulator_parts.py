import re
from datetime import UTC, datetime

import msgspec
import pytest

from linegate.simulator.answers import request_ids
from linegate.simulator.channels import bot_user_id
from linegate.simulator.events import delivery_event, sign, ulid
from linegate.simulator.ledger import Duplicates, Tally, day_of
from linegate.simulator.pace import BusiestSecond, TokenBucket
from linegate.simulator.tokens import Tokens


def test_the_signature_is_the_one_line_documents() -> None:
    body = b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}'
    expected = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="
    assert sign("8c570fa6dd201bb328f1c1eac23a96d8", body) == expected


def test_a_delivery_event_has_exactly_the_documented_members() -> None:
    event = msgspec.json.decode(delivery_event('"tag-0123456789abcdef"', 1_650_591_346.705))
    event_id = event.pop("webhookEventId")
    assert len(event_id) == 26
    assert event == {
        "type": "delivery",
        "delivery": {"data": "tag-0123456789abcdef"},
        "deliveryContext": {"isRedelivery": False},
        "timestamp": 1650591346705,
        "mode": "active",
    }


def test_event_ids_sort_by_time_and_differ() -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    head = ulid(1_650_591_346_705)[:10]
    assert sum(alphabet.index(c) << 5 * (9 - i) for i, c in enumerate(head)) == 1_650_591_346_705
    assert ulid(1000) < ulid(1001)
    assert ulid(1000) != ulid(1000)


def test_a_bot_id_looks_like_lines() -> None:
    assert re.fullmatch("U[0-9a-f]{32}", bot_user_id("1"))
    assert bot_user_id("1") != bot_user_id("2")


def test_request_ids_differ_and_have_the_form_of_a_uuid() -> None:
    new_id = request_ids()
    first, second = new_id(), new_id()
    assert first != second
    assert [len(part) for part in first.split(b"-")] == [8, 4, 4, 4, 12]


def test_a_bucket_gives_its_rate_and_fills_again() -> None:
    bucket = TokenBucket(10)
    assert sum(bucket.take(100.0) for _ in range(20)) == 10
    assert sum(bucket.take(100.5) for _ in range(20)) == 5
    assert sum(bucket.take(200.0) for _ in range(20)) == 10


def test_a_rate_of_zero_means_no_limit() -> None:
    bucket = TokenBucket(0)
    assert all(bucket.take(1.0) for _ in range(10_000))


def test_the_busiest_second_is_a_sliding_one() -> None:
    seen = BusiestSecond(remembered=3)
    for at in (0.0, 0.6, 0.9, 1.2, 1.5, 3.0):
        seen.arrive(at)
    assert seen.most == 4
    assert list(seen.latest) == [1.2, 1.5, 3.0]


def test_arrivals_exactly_a_second_apart_are_not_in_one_second() -> None:
    seen = BusiestSecond(remembered=10)
    seen.arrive(0.0)
    seen.arrive(1.0)
    assert seen.most == 1


def test_repeats_are_counted_within_what_is_remembered() -> None:
    seen = Duplicates(remembered=2)
    for pair in ("a", "a", "b", "c", "a"):
        seen.note(pair, None)
    assert (seen.distinct, seen.repeats) == (4, 1)


@pytest.mark.parametrize(
    ("moment", "day"),
    [("2026-01-31T14:59:59", "20260131"), ("2026-01-31T15:00:00", "20260201")],
)
def test_days_are_those_of_japan(moment: str, day: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    tally = Tally(remembered_pairs=10)
    tally.deliver("flexible", now - 1)
    tally.deliver("flexible", now)
    assert day_of(now) == day
    assert tally.by_day[day, "flexible"] == (2 if day == "20260131" else 1)


def test_a_stateless_token_ends_after_its_time_and_cannot_be_revoked() -> None:
    tokens = Tokens()
    token = tokens.issue("1", "stateless", 900, now=1000.0)
    tokens.revoke(token)
    assert tokens.channel_of(token, 1899.9) == "1"
    assert tokens.channel_of(token, 1900.0) is None


def test_the_oldest_of_thirty_short_lived_tokens_makes_room() -> None:
    tokens = Tokens()
    issued = [tokens.issue("1", "short", 1000, now=0.0) for _ in range(31)]
    assert tokens.channel_of(issued[0], 1.0) is None
    assert all(tokens.channel_of(token, 1.0) == "1" for token in issued[1:])
    assert tokens.count("1", "short", 1.0) == 30


def test_expired_tokens_do_not_pile_up() -> None:
    tokens = Tokens()
    for now in range(0, 100_000, 1000):
        tokens.issue("1", "stateless", 900, now=float(now))
    assert len(tokens._tokens) == 1


def test_the_long_lived_token_of_a_channel_is_forgotten_with_it() -> None:
    tokens = Tokens()
    tokens.keep("console", "1")
    assert tokens.channel_of("console", 1e12) == "1"
    tokens.forget("1")
    assert tokens.channel_of("console", 0.0) is None
