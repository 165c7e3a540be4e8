"""A bulk counts its destinations, those that are rejected too."""

from datetime import UTC, datetime, timedelta

from linegate.domain.bulk import Bulk, MessageObject, Rejection


def test_a_bulk_has_as_many_messages_as_destinations() -> None:
    one = MessageObject(1, "{}", ["8190", "8191"], [None, None], timedelta(hours=1))
    other = MessageObject(
        1, "{}", ["x"], ["mine"], timedelta(hours=1), rejections={0: Rejection(52, 351)}
    )
    assert Bulk(1, [one, other], datetime(2026, 1, 15, tzinfo=UTC)).messages == 3
