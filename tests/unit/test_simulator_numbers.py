from pathlib import Path

import phonenumbers
import pytest

from linegate.simulator.fates import DELIVERED, FATES, SWITCHES, fate_of
from linegate.simulator.numbers import BLOCK_SIZE, BLOCKS, NumberTable, digest_of, shared_table


def test_the_digest_is_the_one_line_documents() -> None:
    expected = "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c"
    assert digest_of("818000001234") == expected


@pytest.mark.parametrize(("country", "prefix"), BLOCKS.items())
def test_owned_numbers_are_valid_mobile_numbers_of_their_country(country: str, prefix: str) -> None:
    for rest in range(0, BLOCK_SIZE, 97):
        number = phonenumbers.parse(f"+{prefix}{rest:05d}")
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.region_code_for_number(number) == country


@pytest.mark.parametrize("prefix", BLOCKS.values())
@pytest.mark.parametrize("rest", ["00000", "00042", "54321", "99999"])
def test_an_owned_number_is_found_by_its_digest(prefix: str, rest: str) -> None:
    assert shared_table().find(digest_of(prefix + rest)) == prefix + rest


def test_a_number_outside_of_the_blocks_is_not_found_until_it_is_added() -> None:
    table = NumberTable(blocks=())
    digest = digest_of("818000001234")
    assert table.find(digest) is None
    table.add("818000001234")
    assert table.find(digest) == "818000001234"


def test_the_last_two_digits_choose_the_fate() -> None:
    assert fate_of("819010000082").name == "silent"
    assert fate_of("66810000090").name == "refused"
    assert fate_of("886910000079") is DELIVERED


def test_an_unknown_number_is_delivered_at_once() -> None:
    assert fate_of(None) is DELIVERED


def test_each_ending_from_80_to_99_has_a_fate_of_its_own() -> None:
    endings = [fate.digits for fate in FATES if len(fate.digits) == 2]
    assert endings == [str(number) for number in range(80, 100)]
    assert len({fate.name for fate in FATES}) == len(FATES)


def test_what_is_not_taken_is_never_delivered() -> None:
    assert not [fate.name for fate in FATES if fate.events and not fate.processed]


def test_every_fate_can_be_switched_on_and_normal_ends_it() -> None:
    assert {fate.name for fate in FATES} < set(SWITCHES)
    assert SWITCHES["normal"] is None


def test_the_page_on_the_sandbox_shows_every_fate() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text("utf-8")
    rows = [f"| {fate.digits or '-'} | `{fate.name}` | {fate.means} |" for fate in FATES]
    assert [row for row in rows if row not in page] == []
