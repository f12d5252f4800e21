"""What clients may say, and what happens to everything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import (
    MAX_MESSAGE_BYTES,
    BadMessage,
    Hello,
    InputText,
    Interrupt,
    parse_message,
)

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_the_three_messages() -> None:
    assert parse_message('{"type":"hello","protocol":1,"after_seq":7}') == Hello(1, 7)
    assert parse_message('{"type":"hello"}') == Hello(1, 0)
    assert parse_message('{"type":"input.text","text":"hi"}') == InputText("hi")
    assert parse_message('{"type":"interrupt","extra":1}') == Interrupt()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x00\x01", "binary"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 60000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no type"),
        ('{"type":7}', "no type"),
        ('{"type":"call.update"}', "type this protocol does not know"),
        ('{"type":"hello","protocol":2}', "protocol must be 1"),
        ('{"type":"hello","after_seq":-1}', "whole number"),
        ('{"type":"hello","after_seq":true}', "whole number"),
        ('{"type":"hello","after_seq":1.5}', "whole number"),
        ('{"type":"input.text"}', "must be a string"),
        ('{"type":"input.text","text":"  "}', "says something"),
        ('{"type":"input.text","text":"\\ud800"}', "surrogate"),
        (json.dumps({"type": "input.text", "text": "x" * 32_001}), "32000 characters"),
    ],
)
def test_everything_else_is_named(message: str | bytes, words: str) -> None:
    with pytest.raises(BadMessage, match=words) as caught:
        parse_message(message)
    assert caught.value.code == "bad_message"


def test_a_megabyte_is_too_large() -> None:
    with pytest.raises(BadMessage) as caught:
        parse_message(json.dumps({"type": "input.text", "text": "x" * MAX_MESSAGE_BYTES}))
    assert caught.value.code == "message_too_large"


@given(st.text(max_size=200) | st.binary(max_size=50) | JSON.map(json.dumps))
def test_anything_is_a_message_or_a_bad_message(data: str | bytes) -> None:
    try:
        parse_message(data)
    except BadMessage as error:
        assert str(error)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["hello", "input.text", "interrupt"])},
        optional={"protocol": JSON, "after_seq": JSON, "text": JSON},
    )
)
def test_fields_of_any_form_are_taken_or_refused(fields: dict[str, object]) -> None:
    try:
        parse_message(json.dumps(fields))
    except BadMessage as error:
        assert error.code == "bad_message"
