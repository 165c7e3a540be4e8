"""Which addresses a URL given by a client may make us connect to.

The check sits where a socket is made, after the name was resolved and for every
connection, so a name that resolves to something else the second time (DNS
rebinding) gains nothing. This file does not know requests or reports.

Source: IANA special-purpose address registries (RFC 6890 and later entries);
RFC 6052 and 8215 (NAT64), RFC 3056 and 7526 (6to4), RFC 9637 (documentation).
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import AddrInfoType
from yarl import URL

__all__ = ["AddressRefusedError", "Guard", "is_own", "is_public"]

_ANY_PORT = 9
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_REFUSED_V6 = (
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them: carries IPv4 inside
    IPv6Network("3fff::/20"),  # documentation
)
_REFUSED_V4 = (
    IPv4Network("192.88.99.0/24"),  # the old 6to4 relays
    IPv4Network("192.0.0.0/24"),  # protocol assignments; one cloud's metadata address
    IPv4Network("168.63.129.16/32"),  # a cloud's internal service on a public-looking address
)


class AddressRefusedError(OSError):
    """A connection that the guard forbade; an OSError since that is what a socket may raise."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What client URLs may point to.

    ports:         allowed in a URL.
    allow_private: take any address and any port (a sandbox, or receivers in our own network).
    """

    ports: frozenset[int] = frozenset({80, 443, 8080, 8443})
    allow_private: bool = False

    def refusal_of(self, url: str) -> str | None:
        """Why this URL will never be called; None if it may be tried.

        The address behind a name is not looked at here but at every connection.
        """
        try:
            parsed = URL(url)
            host = parsed.host  # decoded only here, so it may still be found wrong
        except ValueError:
            return "not a URL"
        if parsed.scheme not in ("http", "https"):
            return "only http and https are called"
        if not host:
            return "no host"
        if not self.allow_private and parsed.port not in self.ports:
            return f"port {parsed.port} is not allowed"
        return None

    def open_socket(self, address: AddrInfoType) -> socket.socket:
        """A socket to connect to this address with; aiohttp's `socket_factory`.

        address: family, type, protocol, name and socket address, as `getaddrinfo` gives them.
        Errors:  AddressRefusedError, before any packet is sent.
        """
        family, kind, protocol, _, target = address
        if not self.allow_private and not _may_be_called(str(target[0])):
            raise AddressRefusedError("the address is not a public one")
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        return opened


def is_public(address: str) -> bool:
    """Whether this is the address of one host of the public internet.

    Addresses that carry an IPv4 address inside (mapped, NAT64, 6to4) are as public as it is.
    Anything that is no address, has a zone or is of no known kind is not public.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    return _is_public_v6(parsed)


def _may_be_called(address: str) -> bool:
    return is_public(address) and not is_own(address)


def is_own(address: str) -> bool:
    """Whether this machine itself answers at this address, which may well be a public one.

    The kernel knows: what it would send to an address of its own would come from that address.
    Asked at every connection, since addresses come and go; of one that carries an IPv4 address,
    that one is asked too.
    Errors: ValueError for what is no address.
    """
    parsed = ip_address(address)
    inner = _inner_v4(parsed) if isinstance(parsed, IPv6Address) else None
    return _leads_here(parsed) or (inner is not None and _leads_here(inner))


def _leads_here(address: IPv4Address | IPv6Address) -> bool:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))  # a datagram socket: nothing is sent
            source = str(probe.getsockname()[0])
    except OSError:
        return False  # no way there: the connection itself will say so
    return ip_address(source) == address


def _is_public_v4(address: IPv4Address) -> bool:
    if address.is_multicast or any(address in network for network in _REFUSED_V4):
        return False
    return address.is_global


def _is_public_v6(address: IPv6Address) -> bool:
    inner = _inner_v4(address)
    if inner is not None:
        return _is_public_v4(inner)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _REFUSED_V6)


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at; None if there is none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour if address in _SIX_TO_FOUR else None
