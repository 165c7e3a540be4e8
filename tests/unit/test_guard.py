"""Which addresses a client's URL may make us connect to."""

import shutil
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.webhook.guard import AddressRefusedError, Guard, is_own, is_public

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]

NOT_PUBLIC = [
    # this machine, this network
    "0.0.0.0",
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.0.1",
    # services of clouds
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    # special purposes
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "224.0.1.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    # IPv6
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "4000::1",
    "2606:4700::1111%eth0",
    # IPv4 inside of IPv6
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:224.0.1.1",
    "::127.0.0.1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::1",
    # no address
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_host_of_the_public_internet_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_may_not(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_inside_of_ipv6(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    high, low = number >> 16, number & 0xFFFF
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(f"64:ff9b::{high:x}:{low:x}") == is_public(str(address))
    assert is_public(f"2002:{high:x}:{low:x}::1") == is_public(str(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://example.com:8080/",
        "https://user:word@example.com:8443/a?b=c",
        "http://[2606:4700:4700::1111]/",
        "HTTPS://EXAMPLE.COM/",
    ],
)
def test_a_url_that_may_be_tried(url: str) -> None:
    assert Guard().refusal_of(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:///path",
        "http://example.com:22/",
        "http://example.com:5432/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:port/",
        "http://[::1/",
        "http://xn--/",
    ],
)
def test_a_url_that_will_never_be_called(url: str) -> None:
    assert Guard().refusal_of(url) is not None


def test_the_ports_are_the_operators_choice() -> None:
    assert Guard(ports=frozenset({9000})).refusal_of("http://example.com:9000/") is None
    assert Guard(ports=frozenset({9000})).refusal_of("http://example.com/") is not None


def test_allow_private_frees_ports_but_not_schemes() -> None:
    guard = Guard(allow_private=True)
    assert guard.refusal_of("http://127.0.0.1:5000/") is None
    assert guard.refusal_of("file:///etc/passwd") is not None


def address_info(address: str) -> tuple[int, int, int, str, tuple[str, int]]:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))


def test_no_socket_is_made_for_an_address_that_is_not_public() -> None:
    with pytest.raises(AddressRefusedError):
        Guard().open_socket(address_info("127.0.0.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_an_address_at_which_this_machine_answers_is_its_own(address: str) -> None:
    assert is_own(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_no_other_machine_is_taken_for_this_one(address: str) -> None:
    assert not is_own(address)


_ASK = """
import socket
from linegate.webhook.guard import AddressRefusedError, Guard
for address in ("8.8.8.8", "8.8.4.4"):
    try:
        Guard().open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))).close()
        print(address, "opened")
    except AddressRefusedError:
        print(address, "refused")
"""


def test_our_own_address_is_refused_however_public_it_is() -> None:
    """In a network of its own, where this machine has a public address."""
    script = (
        f"ip link set lo up && ip addr add 8.8.8.8/32 dev lo && exec {sys.executable} -c '{_ASK}'"
    )
    alone = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    if (
        not all(map(shutil.which, ("unshare", "ip")))
        or subprocess.run([*alone, "true"], check=False).returncode
    ):
        pytest.skip("this machine lacks namespaces: no network of our own")
    shown = subprocess.run([*alone, script], check=True, capture_output=True, text=True)
    assert shown.stdout.split("\n")[:2] == ["8.8.8.8 refused", "8.8.4.4 opened"]


@pytest.mark.parametrize(
    ("guard", "address"), [(Guard(), "8.8.8.8"), (Guard(allow_private=True), "127.0.0.1")]
)
def test_a_socket_for_an_allowed_address_does_not_block(guard: Guard, address: str) -> None:
    with guard.open_socket(address_info(address)) as opened:
        assert opened.getblocking() is False
