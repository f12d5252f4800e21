"""Offers of real browsers and broken ones: what is kept, and how the rest is rejected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiortc import sdp
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadOffer, CallError, NoCommonCodec
from gateway.rtc.offer import reduce_offer, restore_answer

pytestmark = pytest.mark.unit

DATA = Path(__file__).parents[2] / "data" / "sdp"
AUDIO = (DATA / "chromium-audio-data.sdp").read_bytes().decode()
VIDEO = (DATA / "chromium-audio-video-data.sdp").read_bytes().decode()


def kinds(text: str) -> list[str]:
    return re.findall(r"^m=(\w+) ", text, re.MULTILINE)


def without(text: str, pattern: str) -> str:
    return re.sub(rf"(?m)^{pattern}.*\r\n", "", text)


def test_an_audio_and_data_offer_is_kept_whole() -> None:
    offer = reduce_offer(AUDIO)
    assert kinds(offer.sdp) == ["audio", "application"]
    assert offer.rejected == {}
    assert "a=group:BUNDLE 0 1" in offer.sdp


def test_rtcp_mux_needs_no_rtcp_line() -> None:
    offer = reduce_offer(without(AUDIO, "a=rtcp:"))
    kept = sdp.SessionDescription.parse(offer.sdp).media[0]
    assert kept.rtcp_mux


def test_a_video_section_is_taken_out_and_rejected_at_its_place() -> None:
    offer = reduce_offer(VIDEO)
    assert kinds(VIDEO) == ["audio", "video", "application"]
    assert kinds(offer.sdp) == ["audio", "application"]
    assert "a=group:BUNDLE 0 2" in offer.sdp
    answer = restore_answer(offer.sdp, offer.rejected)
    assert kinds(answer) == ["audio", "video", "application"]
    video = sdp.SessionDescription.parse(answer).media[1]
    assert (video.port, video.direction, video.rtp.muxId) == (0, "inactive", "1")


def test_video_first_in_the_bundle_lends_its_candidates() -> None:
    head, audio, video, data = re.split(r"(?m)^(?=m=)", VIDEO)
    head = head.replace("BUNDLE 0 1 2", "BUNDLE 1 0 2")
    audio = without(without(audio, "a=candidate"), "a=ice-(ufrag|pwd)")
    offer = reduce_offer(head + video + audio + data)
    kept = sdp.SessionDescription.parse(offer.sdp).media[0]
    assert kept.kind == "audio"
    assert kept.ice is not None
    assert kept.ice.usernameFragment
    assert kept.ice_candidates
    answer = restore_answer(offer.sdp, offer.rejected)
    assert kinds(answer) == ["video", "audio", "application"]


def test_only_the_sha_256_fingerprint_stays_in_an_answer() -> None:
    answer = restore_answer(
        "v=0\r\nm=audio 9 X 0\r\na=fingerprint:sha-256 AA\r\n"
        "a=fingerprint:sha-384 BB\r\na=fingerprint:sha-512 CC\r\na=mid:0\r\n",
        {},
    )
    assert answer.endswith("a=fingerprint:sha-256 AA\r\na=mid:0\r\n")
    assert "sha-384" not in answer
    assert "sha-512" not in answer


def test_mdns_candidates_are_left_out_without_harm() -> None:
    text = AUDIO.replace("192.0.2.2", "0b7c4a2e-1111-4222-8333-444455556666.local")
    offer = reduce_offer(text)
    assert ".local" not in offer.sdp
    assert "127.0.0.1" in offer.sdp


def test_a_second_audio_section_is_rejected() -> None:
    head, audio, data = re.split(r"(?m)^(?=m=)", AUDIO)
    second = audio.replace("a=mid:0", "a=mid:9")
    offer = reduce_offer(head + audio + second + data)
    assert kinds(offer.sdp) == ["audio", "application"]
    assert list(offer.rejected) == [1]


def test_the_audio_section_that_speaks_our_codecs_is_chosen() -> None:
    head, audio, data = re.split(r"(?m)^(?=m=)", AUDIO)
    foreign = audio.replace("opus/", "other/").replace("a=mid:0", "a=mid:9")
    foreign = re.sub(r"G722|PCMU|PCMA", "other", foreign)
    offer = reduce_offer(head + foreign + audio + data)
    assert list(offer.rejected) == [0]


def test_without_a_direction_it_is_sendrecv() -> None:
    offer = reduce_offer(without(AUDIO, "a=sendrecv"))
    assert "a=sendrecv" in offer.sdp


NONE_OF_OURS = re.sub(r"opus/48000/2|G722/8000|PCMU/8000|PCMA/8000", "other/8000", AUDIO)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not SDP"),
        ("hello", "not SDP"),
        ('{"sdp": "v=0"}', "not SDP"),
        ("v=0", "no media section"),
        ("v=0\r\nm=audio", "cannot be read"),
        ("v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n", "no media section"),
        (AUDIO.replace("m=audio", "m=video"), "no audio section"),
        (AUDIO.replace("m=audio 38475", "m=audio 0"), "no audio section"),
        (re.sub(r"(?s)m=audio.*(?=m=application)", "", AUDIO), "no audio section"),
        (AUDIO.replace("a=sendrecv", "a=inactive"), "inactive"),
        (without(AUDIO, "a=ice-ufrag"), "ICE credentials"),
        (without(AUDIO, "a=ice-pwd"), "ICE credentials"),
        (without(AUDIO, "a=fingerprint"), "fingerprint"),
        (AUDIO.replace("fingerprint:sha-256", "fingerprint:md5"), "fingerprint"),
        (without(AUDIO, "a=setup"), "DTLS role"),
        (without(AUDIO, "a=rtcp-mux"), "rtcp-mux"),
        (AUDIO.replace("a=setup:actpass", "a=setup:sideways"), "cannot be read"),
        (AUDIO.replace("m=audio 38475", "m=audio port"), "cannot be read"),
    ],
)
def test_what_cannot_be_answered_says_why(text: str, words: str) -> None:
    with pytest.raises(BadOffer, match=words):
        reduce_offer(text)


def test_audio_in_a_foreign_codec_is_told_apart() -> None:
    with pytest.raises(NoCommonCodec, match="Opus"):
        reduce_offer(NONE_OF_OURS)


@given(st.text(max_size=300) | st.text(alphabet="vmac=:0 \r\naudio", max_size=300))
def test_any_text_is_an_offer_or_a_clear_error(text: str) -> None:
    with pytest.raises(CallError):
        reduce_offer(text)


LINES = VIDEO.split("\r\n")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["drop", "double", "swap", "cut", "garble"]),
            st.integers(0, len(LINES) - 2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_mutilated_offer_is_reduced_or_refused(changes: list[tuple[str, int]]) -> None:
    lines = list(LINES)
    for change, at in changes:
        at %= len(lines) - 1
        match change:
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                lines[at], lines[at + 1] = lines[at + 1], lines[at]
            case "cut":
                lines[at] = lines[at][: len(lines[at]) // 2]
            case _:
                lines[at] = lines[at].replace(":", " ").replace("0", "x")
        if len(lines) < 3:
            return
    try:
        offer = reduce_offer("\r\n".join(lines))
    except CallError:
        return
    assert kinds(offer.sdp).count("audio") == 1
    restore_answer(offer.sdp, offer.rejected)
