"""Trickle ICE fragments: those of clients, ours, and broken ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadFragment
from gateway.rtc.fragment import Fragment, make_fragment, parse_fragment

pytestmark = pytest.mark.unit

HOST = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw"
NAMED = "candidate:1 1 udp 2113937151 4d7ad1e2-55c0-4c3a-9a77-1f2e3d4c5b6a.local 50122 typ host"
TRICKLE = (
    "a=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=mid:0\r\n"
    "a=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    f"a={HOST}\r\na={NAMED}\r\n"
    "a=end-of-candidates\r\n"
)


def test_a_trickle_fragment_is_read() -> None:
    assert parse_fragment(TRICKLE) == Fragment(
        "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", (HOST, NAMED), end_of_candidates=True, mid="0"
    )


def test_credentials_may_stand_before_the_sections_and_in_each() -> None:
    head = "a=ice-ufrag:EsAw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\n"
    fragment = parse_fragment(head + "m=audio 9 RTP/AVP 0\na=mid:7\nm=x\na=mid:8\n" + head)
    assert (fragment.ufrag, fragment.mid, fragment.candidates) == ("EsAw", "7", ())
    assert not fragment.end_of_candidates


def test_our_fragment_reads_as_it_was_meant() -> None:
    text = make_fragment("fresh", "secret", (HOST,), mid="a")
    assert text.startswith("a=ice-lite\r\n")
    assert parse_fragment(text) == Fragment("fresh", "secret", (HOST,), True, "a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "credentials"),
        ("hello", "no fragment"),
        ('{"candidate": ""}', "no fragment"),
        (TRICKLE.replace("a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", ""), "credentials"),
        (TRICKLE.replace("a=ice-ufrag:EsAw", "a=ice-ufrag:"), "credentials"),
        (TRICKLE + "a=ice-ufrag:other\r\n", "several"),
        (TRICKLE.replace(" typ ", " type "), "candidate"),
        (TRICKLE + "a=candidate:1 1 udp\r\n", "candidate"),
        (TRICKLE.replace("61764", "port"), "candidate"),
        (TRICKLE * 300, "longer"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, words: str) -> None:
    with pytest.raises(BadFragment, match=words):
        parse_fragment(text)


@given(st.text() | st.lists(st.sampled_from(TRICKLE.split("\r\n"))).map("\n".join))
def test_any_text_is_a_fragment_or_a_clear_error(text: str) -> None:
    try:
        fragment = parse_fragment(text)
    except BadFragment:
        return
    assert fragment.ufrag
    assert fragment.pwd
