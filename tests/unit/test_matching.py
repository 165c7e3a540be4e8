"""Whether a message is a filled template."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.line.filling import Form, escaped
from linegate.line.matching import matches

FORM = {"type": "flex", "altText": "{{shop}}", "contents": {"body": [{"text": "a {{x}} b {{y}}"}]}}


def a_message(text: object, alt_text: object = "Acme") -> dict[str, object]:
    return {"type": "flex", "altText": alt_text, "contents": {"body": [{"text": text}]}}


@pytest.mark.parametrize("text", ["a 1 b 2", "a  b ", "a b b b b", "a {{x}} b {{y}}"])
def test_placeholders_match_any_text(text: str) -> None:
    assert matches(a_message(text), FORM)


@pytest.mark.parametrize("text", ["", "a", "a b", "A 1 b 2", "xa 1 b 2", 5, None])
def test_other_texts_do_not_match(text: object) -> None:
    assert not matches(a_message(text), FORM)


def test_the_structure_must_be_the_same() -> None:
    message = a_message("a 1 b 2")
    assert not matches({**message, "extra": 1}, FORM)
    assert not matches({name: message[name] for name in ("type", "altText")}, FORM)
    body = [{"text": "a 1 b 2"}, {"text": "more"}]
    assert not matches({**message, "contents": {"body": body}}, FORM)
    assert not matches({**message, "contents": {"body": {}}}, FORM)
    assert not matches({**message, "type": "text"}, FORM)
    assert not matches({"a": True}, {"a": False})


def test_overlapping_ends_do_not_match() -> None:
    assert not matches("aba", "ab{{x}}ba")
    assert matches("abba", "ab{{x}}ba")


@given(st.dictionaries(st.sampled_from(["shop", "x", "y"]), st.text(max_size=20)))
def test_every_filled_form_matches_it(values: dict[str, str]) -> None:
    texts = {name: escaped(values.get(name, "")) for name in ("shop", "x", "y")}
    message = Form(json.dumps(FORM).encode()).fill(texts)
    assert matches(json.loads(message), FORM)


def test_a_hostile_text_takes_no_longer_than_another() -> None:
    form = "a".join(f"{{{{p{number}}}}}" for number in range(100)) + "b"
    began = time.perf_counter()
    assert not matches("a" * 30_000, form)
    assert time.perf_counter() - began < 0.5
