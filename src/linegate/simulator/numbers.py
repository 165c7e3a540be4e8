"""The test numbers the simulator owns, found again by their hash.

LINE is sent only SHA-256 digests of phone numbers. To let a number's last digits choose
its fate, the simulator knows the digests of three blocks of 100,000 numbers each. The
table is a sorted array (2.4 MB), built once per process in about half a second.
"""

from array import array
from bisect import bisect_left
from functools import cache
from hashlib import sha256

__all__ = ["BLOCKS", "NumberTable", "digest_of", "shared_table"]

# country -> what all numbers of the block begin with; five more digits follow.
BLOCKS = {"JP": "8190100", "TH": "668100", "TW": "8869100"}
BLOCK_SIZE = 100_000

_INDEX_BITS = 20
_INDEX_MASK = (1 << _INDEX_BITS) - 1


def digest_of(number: str) -> str:
    """The form LINE asks for: SHA-256, in hex, of `+` and the digits.

    number: digits with the country code, without plus.
    Source: LINE technical specifications, phone number hash (FACTS A1.5).
    """
    return sha256(b"+" + number.encode()).hexdigest()


class NumberTable:
    """All owned numbers; `find` answers in about a microsecond."""

    def __init__(self, blocks: tuple[str, ...] = tuple(BLOCKS.values())) -> None:
        self._blocks = blocks
        # 44 bits of the digest, then the number's place: sorting sorts by digest.
        self._places = array("Q", sorted(self._packed()))
        self._added: dict[str, str] = {}

    def find(self, digest: str) -> str | None:
        """The number (digits, no plus) whose digest this is; None if it is not known.

        digest: 64 hex digits, lower case.
        """
        head = (int(digest[:11], 16)) << _INDEX_BITS
        at = bisect_left(self._places, head)
        while at < len(self._places) and self._places[at] >> _INDEX_BITS == head >> _INDEX_BITS:
            number = self._number(self._places[at] & _INDEX_MASK)
            if digest_of(number) == digest:
                return number
            at += 1
        return self._added.get(digest)

    def add(self, number: str) -> None:
        """Own one more number, so that its fate and its name are known too."""
        self._added[digest_of(number)] = number

    def _packed(self) -> list[int]:
        packed = []
        for block_index, prefix in enumerate(self._blocks):
            head = b"+" + prefix.encode()
            for rest in range(BLOCK_SIZE):
                digest = sha256(head + b"%05d" % rest).digest()
                bits = int.from_bytes(digest[:8], "big") >> _INDEX_BITS
                packed.append(bits << _INDEX_BITS | (block_index * BLOCK_SIZE + rest))
        return packed

    def _number(self, index: int) -> str:
        block, rest = divmod(index, BLOCK_SIZE)
        return f"{self._blocks[block]}{rest:05d}"


@cache
def shared_table() -> NumberTable:
    """The table of `BLOCKS`, built at the first call and then kept."""
    return NumberTable()
