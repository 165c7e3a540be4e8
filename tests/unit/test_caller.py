"""What a key gives its requests, and from where it may be used."""

from ipaddress import ip_network

import pytest

from linegate.domain.caller import Caller, PlatformRule, is_allowed, plain_address


@pytest.mark.parametrize(
    ("rule", "given", "counts"),
    [
        (None, None, None),
        (None, "own", "own"),
        (PlatformRule("rule"), None, "rule"),
        (PlatformRule("rule"), "", "rule"),
        (PlatformRule("rule"), "own", "own"),
        (PlatformRule("rule", forced=True), None, "rule"),
        (PlatformRule("rule", forced=True), "own", "rule"),
    ],
)
def test_rule_fills_what_is_missing_or_forces_its_value(
    rule: PlatformRule | None, given: str | None, counts: str | None
) -> None:
    caller = Caller(1, "key 1", frozenset(), application=rule, entity=rule)
    assert caller.application_id(given) == counts
    assert caller.entity_id(given) == counts


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("testclient", None),
        (None, None),
    ],
)
def test_address_has_one_spelling(address: str | None, plain: str | None) -> None:
    assert plain_address(address) == plain


def test_networks_allow_what_lies_in_one_of_them_and_none_allows_all() -> None:
    networks = frozenset({ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")})
    assert is_allowed("192.0.2.9", networks)
    assert is_allowed("2001:db8::1", networks)
    assert not is_allowed("198.51.100.1", networks)
    assert not is_allowed(None, networks)
    assert is_allowed(None, frozenset())
