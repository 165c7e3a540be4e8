"""The time zone people of a country live in, for windows in the recipient's own time.

Countries with one zone for everybody, LINE's own first. A country with several zones is not
here: which one a mobile number is in cannot be told, so its window is read in UTC.
"""

__all__ = ["zone_of_country"]

_ZONES = {
    "JP": "Asia/Tokyo",
    "TH": "Asia/Bangkok",
    "TW": "Asia/Taipei",
    "AT": "Europe/Vienna",
    "BE": "Europe/Brussels",
    "CH": "Europe/Zurich",
    "CZ": "Europe/Prague",
    "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen",
    "FI": "Europe/Helsinki",
    "FR": "Europe/Paris",
    "GB": "Europe/London",
    "HK": "Asia/Hong_Kong",
    "HR": "Europe/Zagreb",
    "IE": "Europe/Dublin",
    "IL": "Asia/Jerusalem",
    "IN": "Asia/Kolkata",
    "IT": "Europe/Rome",
    "KH": "Asia/Phnom_Penh",
    "KR": "Asia/Seoul",
    "LA": "Asia/Vientiane",
    "MM": "Asia/Yangon",
    "MO": "Asia/Macau",
    "MY": "Asia/Kuala_Lumpur",
    "NL": "Europe/Amsterdam",
    "NO": "Europe/Oslo",
    "PH": "Asia/Manila",
    "PL": "Europe/Warsaw",
    "SE": "Europe/Stockholm",
    "SG": "Asia/Singapore",
    "TR": "Europe/Istanbul",
    "VN": "Asia/Ho_Chi_Minh",
}


def zone_of_country(country: str) -> str:
    """The IANA name of an ISO country's zone; `UTC` where there is not one."""
    return _ZONES.get(country, "UTC")
