"""The fast verdict on a number is the phone-number library's, number for number."""

import random

import phonenumbers
import pytest

from linegate.phones.countries import LINE_COUNTRIES, country_of


def library_says(digits: str) -> str | None:
    """The country by the library alone, for numbers written as E.164 wants them."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(number) or written != "+" + digits:
        return None
    return phonenumbers.region_code_for_number(number)


def at_random(code: str, *, count: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    lengths = [dice.randint(5, 15 - len(code)) for _ in range(count)]
    return [code + "".join(dice.choice("0123456789") for _ in range(length)) for length in lengths]


@pytest.mark.parametrize("code", ["81", "66", "886"])
def test_verdict_on_random_numbers_of_line_countries_is_the_librarys(code: str) -> None:
    numbers = at_random(code, count=3000, seed=81)
    assert {n: country_of(n) for n in numbers} == {n: library_says(n) for n in numbers}


@pytest.mark.parametrize("code", ["1", "44", "39", "82", "800", "7", "999"])
def test_verdict_on_other_countries_is_the_librarys(code: str) -> None:
    numbers = at_random(code, count=300, seed=44)
    assert {n: country_of(n) for n in numbers} == {n: library_says(n) for n in numbers}


@pytest.mark.parametrize("country", ["JP", "TH", "TW"])
def test_every_kind_of_example_number_is_valid(country: str) -> None:
    kinds = phonenumbers.PhoneNumberType.values()
    examples = [phonenumbers.example_number_for_type(country, kind) for kind in kinds]
    written = [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
        for number in examples
        if number is not None
    ]
    assert len(written) >= 5
    assert {country_of(digits) for digits in written if library_says(digits)} == {country}


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("66855538125", "TH"),
        ("818000001234", "JP"),
        ("886912345678", "TW"),
        ("12015550123", "US"),
        ("447400123456", "GB"),
        ("80012345678", "001"),
        ("810901234567", None),
        ("8109012345678", None),
        ("660855538125", None),
        ("66", None),
    ],
)
def test_country_of_known_numbers(digits: str, country: str | None) -> None:
    assert country_of(digits) == country


def test_countries_of_line_are_the_default() -> None:
    assert frozenset({"JP", "TH", "TW"}) == LINE_COUNTRIES
