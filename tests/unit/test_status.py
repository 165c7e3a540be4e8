"""The public statuses and errors are those of the published registry."""

import json
from pathlib import Path

import pytest

from linegate.domain.status import ERRORS, STATUSES

PUBLISHED = Path(__file__).parents[3] / "shared" / "api" / "statuses.json"
# The registry gives these two meanings each, so we use neither.
TWO_MEANINGS = {"statuses": {87}, "errors": {4102}}

needs_registry = pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the published registry is not beside this repository"
)


def published(kind: str) -> dict[int, dict[str, object]]:
    return {row["id"]: row for row in json.loads(PUBLISHED.read_text())[kind]}


@needs_registry
def test_every_status_has_its_published_name_and_group() -> None:
    theirs = published("statuses")
    for id_, status in STATUSES.items():
        row = theirs[id_]
        assert (status.name, status.group_id, status.group_name) == (
            row["name"],
            row["groupId"],
            row["groupName"],
        )


@needs_registry
def test_every_error_has_its_published_name_group_and_permanence() -> None:
    theirs = published("errors")
    for id_, error in ERRORS.items():
        row = theirs[id_]
        assert (error.name, error.group_id, error.group_name, error.permanent) == (
            row["name"],
            row["groupId"],
            row["groupName"],
            row["permanent"],
        )


def test_an_id_with_two_meanings_is_not_used() -> None:
    assert not STATUSES.keys() & TWO_MEANINGS["statuses"]
    assert not ERRORS.keys() & TWO_MEANINGS["errors"]


@pytest.mark.parametrize("id_", [5, 7, 15, 29, 4, 9, 6, 14, 23, 26, 31, 52])
def test_the_statuses_that_we_give_exist_and_are_described(id_: int) -> None:
    assert STATUSES[id_].id == id_
    assert STATUSES[id_].description


def test_a_table_is_keyed_by_its_own_ids_and_names_are_unique() -> None:
    assert all(id_ == row.id for id_, row in STATUSES.items())
    assert all(id_ == row.id for id_, row in ERRORS.items())
    assert len({row.name for row in STATUSES.values()}) == len(STATUSES)
    assert len({row.name for row in ERRORS.values()}) == len(ERRORS)
