"""How deep JSON is nested, against a reader that counts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.api.nesting import is_deeper

TEXTS = st.text(alphabet='[]{}"\\,:a\n\u3042', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(VALUES, st.integers(0, 8), st.booleans(), st.sampled_from([None, 1]))
def test_depth_is_that_of_the_values_whatever_strings_hold(
    value: Any, limit: int, ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert is_deeper(body, limit) == (depth_of(value) > limit)


@pytest.mark.parametrize("brackets", [b"[]", b"{}"])
def test_limit_itself_is_allowed(brackets: bytes) -> None:
    opened, closed = brackets[:1], brackets[1:]
    assert not is_deeper(opened * 20 + closed * 20, 20)
    assert is_deeper(opened * 21 + closed * 21, 20)


def test_what_never_ends_is_too_deep() -> None:
    assert is_deeper(b"[" * 1_000_000, 20)
