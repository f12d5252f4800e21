"""STUN as strangers send it, against the published vectors and a second implementation."""

from __future__ import annotations

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc import stun
from tests.gateway.rtc import stun_samples as samples
from tests.gateway.rtc.stun_samples import RFC_PWD, RFC_REQUEST, RFC_TRANSACTION, attribute, check

pytestmark = pytest.mark.unit

KEY = RFC_PWD.encode()


def test_the_published_request_is_read() -> None:
    request = stun.parse_request(RFC_REQUEST)
    assert request is not None
    assert stun.is_stun(RFC_REQUEST)
    assert stun.local_ufrag(RFC_REQUEST) == "evtj"
    assert request.transaction_id == RFC_TRANSACTION
    assert request.username == "evtj:h6vY"
    assert request.is_signed_with(KEY)
    assert not request.is_signed_with(KEY + b"x")
    assert request.is_controlled
    assert not request.nominates
    assert request.unknown == ()


@pytest.mark.parametrize(
    ("address", "mapped"),
    [
        (samples.RFC_IPV4, samples.RFC_IPV4_MAPPED),
        (samples.RFC_IPV6, samples.RFC_IPV6_MAPPED),
        (("::ffff:192.0.2.1", 32853), samples.RFC_IPV4_MAPPED),
        (("2001:db8:1234:5678:11:2233:4455:6677%eth0", 32853), samples.RFC_IPV6_MAPPED),
    ],
)
def test_an_answer_says_where_the_request_came_from(
    address: tuple[str, int], mapped: bytes
) -> None:
    answer = stun.success(RFC_TRANSACTION, address, KEY)
    assert answer[20 : 20 + len(mapped)] == mapped
    expected = samples.message(0x0101, RFC_TRANSACTION, mapped)
    assert answer == samples.stamp(samples.sign(expected, RFC_PWD))


def test_errors_are_what_another_implementation_reads() -> None:
    answer = stun.failure(RFC_TRANSACTION, 487, KEY)
    parsed = aioice.stun.parse_message(answer)
    assert parsed.error_code == 487
    assert parsed.check_message_integrity(KEY)
    unsigned = aioice.stun.parse_message(stun.failure(RFC_TRANSACTION, 401, None))
    assert unsigned.error_code == 401
    assert "MESSAGE-INTEGRITY" not in unsigned.attributes
    assert "FINGERPRINT" in unsigned.attributes


def test_unknown_attributes_are_named_unless_optional_or_behind_the_signature() -> None:
    extra = attribute(0x7001, b"abc") + attribute(0xC001, b"nomi") + attribute(0x0003, bytes(4))
    request = stun.parse_request(check("a:b", "p", extra=extra, behind=attribute(0x7002)))
    assert request is not None
    assert request.unknown == (0x7001, 0x0003)
    answer = stun.failure(request.transaction_id, 420, b"p", request.unknown)
    assert samples.attributes(answer)[0x000A] == b"\x70\x01\x00\x03"


def test_what_follows_the_signature_does_not_count() -> None:
    behind = attribute(samples.USE_CANDIDATE) + attribute(samples.ICE_CONTROLLED, bytes(8))
    request = stun.parse_request(check("a:b", "p", behind=behind))
    assert request is not None
    assert not request.nominates
    assert not request.is_controlled
    assert request.is_signed_with(b"p")


def test_the_first_of_two_user_names_counts() -> None:
    whole = check("a:b", "p", extra=attribute(samples.USERNAME, b"x:y"))
    request = stun.parse_request(whole)
    assert request is not None
    assert request.username == "a:b"
    assert stun.local_ufrag(whole) == "a"


def without_integrity(length: int) -> bytes:
    return samples.message(1, bytes(12), attribute(samples.INTEGRITY, bytes(length)))


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        RFC_REQUEST[:19],
        RFC_REQUEST[:-1],
        RFC_REQUEST + bytes(4),
        RFC_REQUEST[:4] + bytes(4) + RFC_REQUEST[8:],
        RFC_REQUEST[:-1] + b"\0",  # the fingerprint
        RFC_REQUEST[:90] + b"\0" + RFC_REQUEST[91:],
        without_integrity(19),
        without_integrity(21),
        samples.message(1, bytes(12), b"\0\6\0\x09abcdefgh"),  # longer than the message
        samples.message(1, bytes(12), attribute(0x8022) * (stun.MAX_ATTRIBUTES + 1)),
        samples.message(1, bytes(12), attribute(0x8022, bytes(stun.MAX_MESSAGE_BYTES))),
        samples.message(1, bytes(12), attribute(samples.FINGERPRINT, bytes(2))),
        samples.message(3, bytes(12), b""),  # not a binding request: ALLOCATE
    ],
)
def test_malformed_messages_are_nothing(malformed: bytes) -> None:
    assert stun.parse_request(malformed) is None


def test_a_fingerprint_is_the_last_attribute() -> None:
    whole = samples.stamp(samples.message(1, bytes(12), b""))
    assert stun.parse_request(whole) is not None
    behind = whole[:2] + b"\0\x0c" + whole[4:] + attribute(0x8022)
    assert stun.parse_request(behind) is None


@pytest.mark.parametrize("name", [b"", b"alone", b":b", b"\xff:b", b"\xc3\xa4:b"])
def test_a_user_name_of_another_form_leads_nowhere(name: bytes) -> None:
    whole = samples.message(1, bytes(12), attribute(samples.USERNAME, name))
    assert stun.local_ufrag(whole) is None


def test_a_user_name_behind_the_signature_leads_nowhere() -> None:
    unnamed = samples.sign(samples.message(1, bytes(12), b""), "p")[20:]
    behind = samples.message(1, bytes(12), unnamed + attribute(samples.USERNAME, b"a:b"))
    assert stun.local_ufrag(behind) is None


def test_without_the_cookie_it_is_no_stun() -> None:
    old = RFC_REQUEST[:4] + bytes(4) + RFC_REQUEST[8:-8]  # RFC 3489 had none
    assert not stun.is_stun(old[:2] + bytes([0, len(old) - 20]) + old[4:])


def test_only_a_request_leads_to_an_agent() -> None:
    body = attribute(samples.USERNAME, b"a:b")
    assert stun.local_ufrag(samples.message(0x0001, bytes(12), body)) == "a"
    for kind in (0x0011, 0x0101, 0x0111, 0x0003):
        assert stun.local_ufrag(samples.message(kind, bytes(12), body)) is None


@pytest.mark.parametrize("first", [4, 20, 63, 64, 128, 255])
def test_other_protocols_on_the_port_are_no_stun(first: int) -> None:
    assert not stun.is_stun(bytes([first]) + RFC_REQUEST[1:])


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    for datagram in (data, samples.message(1, bytes(12), data)):
        stun.is_stun(datagram)
        stun.is_keepalive(datagram)
        stun.local_ufrag(datagram)
        request = stun.parse_request(datagram)
        assert request is None or not request.is_signed_with(KEY)


@given(
    st.text("abcXYZ019+/", min_size=1, max_size=256),
    st.text("abcXYZ019+/", min_size=1, max_size=200),
    st.booleans(),
)
def test_what_another_implementation_writes_is_read(name: str, pwd: str, nominate: bool) -> None:
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    message.attributes = {"USERNAME": f"{name}:peer", "PRIORITY": 1, "ICE-CONTROLLING": 2**63}
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(pwd.encode())
    whole = bytes(message)
    assert stun.local_ufrag(whole) == name
    request = stun.parse_request(whole)
    assert request is not None
    assert request.is_signed_with(pwd.encode())
    assert request.nominates is nominate
