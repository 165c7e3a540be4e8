"""API keys: their published shape, their digest, and the scopes each operation takes."""

import hashlib
import re

from linegate.domain.keys import ALL_SCOPES, LOGS, MANAGE, SEND, digest_of, format_key


def test_a_key_has_the_published_shape_and_holds_all_its_random_bits() -> None:
    key = format_key(bytes(range(16)), bytes(range(16, 32)))
    assert re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key)
    assert bytes.fromhex(key.replace("-", "")) == bytes(range(32))


def test_only_a_sha_256_of_a_key_is_kept() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").digest()


def test_line_manage_opens_what_the_fixed_interface_says() -> None:
    assert {"message:send", "line:message:send", "line:manage"} == SEND
    assert {"line:logs:read", "line:manage"} == LOGS
    assert {"line:manage"} == MANAGE


def test_every_scope_that_opens_something_can_be_given() -> None:
    assert set(ALL_SCOPES) >= SEND | LOGS | MANAGE
