"""Who is asking, once that is known: an account, what it may do, and what its requests are given.

Source: published authentication pages (FACTS B4.1, B4.2: `platform` rules of a key).
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["Caller", "Network", "PlatformRule", "is_allowed", "plain_address"]

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class PlatformRule:
    """What a key gives its requests as applicationId or entityId.

    forced: instead of what the request says; else only where it says nothing.
    """

    value: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """The account a request acts for.

    name:      of the credential, for the audit: `key 17` or `user alice`.
    scopes:    what it may do.
    counts_as: the API key whose counts it uses: its own, or of the one that it was rotated from at
               first; None: a user asks.
    """

    account_id: int
    name: str
    scopes: frozenset[str]
    application: PlatformRule | None = None
    entity: PlatformRule | None = None
    counts_as: int | None = None

    @property
    def subject(self) -> str:
        """Under which name what it uses of its limits is counted; `key 17` after rotations too."""
        return self.name if self.counts_as is None else f"key {self.counts_as}"

    def application_id(self, given: str | None) -> str | None:
        """The applicationId that counts, of what the request gave."""
        return _ruled(self.application, given)

    def entity_id(self, given: str | None) -> str | None:
        """The entityId that counts, of what the request gave."""
        return _ruled(self.entity, given)


def _ruled(rule: PlatformRule | None, given: str | None) -> str | None:
    if rule is None or (given and not rule.forced):
        return given
    return rule.value


@lru_cache(maxsize=4096)  # asked for each request, mostly of the same few
def plain_address(address: str | None) -> str | None:
    """An address in its one spelling, IPv4 inside IPv6 as IPv4; None for what is no address."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def is_allowed(address: str | None, networks: frozenset[Network]) -> bool:
    """Whether a caller at `address` (as `plain_address` gives it) may use the credential.

    networks: none means from anywhere.
    """
    if not networks:
        return True
    return address is not None and any(ip_address(address) in network for network in networks)
