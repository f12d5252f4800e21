"""The objects of proto3-JSON: what is taken, what is left, and where a fault was."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.live.wire import Fields, parse_object

pytestmark = pytest.mark.unit


def test_what_was_not_taken_is_unknown_in_every_object_that_was_read() -> None:
    fields = Fields({"a": {"b": [{"c": 1, "d": 2}], "e": 3}, "never_read": {"inside": 4}, "f": 5})
    outer = fields.object("a")
    assert outer is not None
    (inner,) = outer.objects("b")
    assert inner.integer("d") == 2
    fields.ignore("f", "not there")
    assert fields.unknown() == ["neverRead", "a.e", "a.b[0].c"]


def test_a_value_that_was_left_is_unknown_again() -> None:
    fields = Fields({"type": "NEW"})
    assert fields.enum("type") == "NEW"
    assert fields.unknown() == []
    fields.leave("type")
    assert fields.unknown() == ["type"]


def test_fields_that_are_missing_have_a_value_each() -> None:
    fields = Fields({"a": None})
    assert "a" not in fields
    assert (fields.object("a"), list(fields.objects("a")), fields.plain("a")) == (None, [], None)
    assert (fields.string("a"), fields.strings("a"), fields.enum("a")) == (None, (), None)
    assert (fields.flag("a"), fields.integer("a"), fields.duration_s("a")) == (False, None, None)
    assert fields.blob("a") == b""


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_is_read_from_text_and_from_a_number(number: int) -> None:
    assert Fields({"n": number}).integer("n") == number
    assert Fields({"n": str(number)}).integer("n") == number


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, 1.5, 1e300, "1.5", "", " 1", "1_000", "٣", "0x10", "1" * 20]
)
def test_other_numbers_are_no_int64(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match="n must be a whole number"):
        Fields({"n": value}).integer("n")


@pytest.mark.parametrize(
    "value", ["9.5", "s", "9,5s", "1e3s", "9.5 s", "-s", "nans", 1e300, [], {}]
)
def test_other_values_are_no_duration(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match="d must be a duration"):
        Fields({"d": value}).duration_s("d")


def test_a_duration_may_be_negative() -> None:
    assert Fields({"d": "-0.5s"}).duration_s("d") == -0.5


@given(st.binary(), st.booleans(), st.booleans())
def test_bytes_come_back_from_either_alphabet_padded_or_not(
    data: bytes, url_safe: bool, padded: bool
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    assert Fields({"b": text if padded else text.rstrip("=")}).blob("b") == data


@pytest.mark.parametrize("value", ["A", "AA=A", "AA A", "AAAA\n", "ÄÄÄÄ", "====", 1, []])
def test_other_values_are_no_bytes(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match=r"b (is not|must be) base64"):
        Fields({"b": value}).blob("b")


@given(st.binary() | st.text())
def test_only_objects_are_parsed(frame: str | bytes) -> None:
    try:
        value: Any = parse_object(frame)
    except RemoteProtocolError:
        return
    assert isinstance(value, dict)


def test_what_is_nested_too_deeply_or_too_large_is_refused() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(RemoteProtocolError, match="nested"):
        Fields({"metadata": deep}).plain("metadata")
    with pytest.raises(RemoteProtocolError, match="duration"):
        Fields({"time_left": 10**400}).duration_s("timeLeft")
