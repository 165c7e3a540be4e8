"""Which country's number it is, or that it is none.

The phone-number library is right but takes some 20 microseconds a number, which
a bulk of 50,000 cannot spare. So for the countries LINE serves, the library's
own metadata becomes one regular expression per calling code; every other
country, and every odd case, asks the library itself.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

__all__ = ["LINE_COUNTRIES", "country_of"]

LINE_COUNTRIES = frozenset({"JP", "TH", "TW"})
"""Where LINE delivers notification messages, as ISO codes; the default of allowed countries.

Source: docs/reference/content.md (LINE notification messages, overview).
"""

# The kinds of number that make one valid: the library's own list, "general" being checked besides.
_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)


def country_of(digits: str) -> str | None:
    """The ISO country of a valid number, `001` for a worldwide one; None if it is not valid.

    digits: E.164 without the plus, as `domain.phone.normalise` gives them.

    A number written with its trunk prefix (`8109012345678`) is not valid here: the library
    would mend it, but its digest at LINE, and its id in reports, would be another number's.
    """
    for code, country, pattern in _FAST:
        if digits.startswith(code):
            # Behind a 0 the library looks for trunk and carrier prefixes: let it.
            if digits.startswith("0", len(code)):
                break
            return country if pattern.fullmatch(digits, len(code)) else None
    return _ask_library(digits)


def _one_of(desc: PhoneNumberDesc | None) -> str | None:
    """A pattern for one kind of number: its digits, in one of its lengths."""
    if desc is None or not desc.national_number_pattern or desc.possible_length == (-1,):
        return None
    pattern = f"(?:{desc.national_number_pattern})"
    if desc.possible_length:
        lengths = "|".join(f"[0-9]{{{length}}}" for length in desc.possible_length)
        pattern = rf"(?=(?:{lengths})\Z){pattern}"
    return pattern


def _national_numbers(country: str) -> re.Pattern[str]:
    """Every valid national number of one country, from the library's metadata."""
    metadata = PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        raise LookupError(f"the phone-number library has no metadata for {country}")
    general = _one_of(metadata.general_desc)
    kinds = [kind for name in _KINDS if (kind := _one_of(getattr(metadata, name)))]
    return re.compile(rf"(?=(?:{general})\Z)(?:{'|'.join(kinds)})", re.ASCII)


@lru_cache(maxsize=4096)
def _ask_library(digits: str) -> str | None:
    """The library's own verdict."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return phonenumbers.region_code_for_number(number) if written == "+" + digits else None


# Calling codes that belong to one country alone, in the order of use.
_FAST = tuple(
    (code, country, _national_numbers(country))
    for code, country in (("81", "JP"), ("66", "TH"), ("886", "TW"))
)
