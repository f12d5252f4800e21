"""Offers of many stacks, and odd ones: what is agreed, and how each section is answered."""

from __future__ import annotations

import dataclasses
import re

import pytest
from aiortc import sdp
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadOffer, CallError, NoCommonCodec
from gateway.rtc.negotiation import DataChannel, Negotiated, negotiate
from tests.gateway.rtc.offers import LOCAL, OFFERS, kinds, mids, ports, split, without

pytestmark = pytest.mark.unit

CHROMIUM = OFFERS["chromium-audio-data"]
VIDEO = OFFERS["chromium-audio-video-data"]


def answer_to(text: str, previous: Negotiated | None = None) -> Negotiated:
    agreed = negotiate(text, LOCAL, previous)
    assert kinds(agreed.answer) == kinds(text)
    assert agreed.answer.endswith("\r\n")
    return agreed


def uses(agreed: Negotiated) -> list[str]:
    return [slot.use for slot in agreed.slots]


@pytest.mark.parametrize("name", OFFERS)
def test_every_stack_is_answered_section_by_section(name: str) -> None:
    offer = OFFERS[name]
    agreed = answer_to(offer)
    parsed = sdp.SessionDescription.parse(agreed.answer)
    assert mids(agreed.answer) == mids(offer)
    assert [bool(port) for port in ports(agreed.answer)] == [bool(use) for use in uses(agreed)]
    taken = [media for media in parsed.media if media.port]
    assert parsed.group[0].items == [media.rtp.muxId for media in taken]
    for media in taken:
        assert (media.host, media.port) == ("192.0.2.50", 8081)
        assert media.ice is not None
        assert media.ice.iceLite
        assert media.ice.usernameFragment == LOCAL.ufrag
        assert media.dtls is not None
        assert [each.value for each in media.dtls.fingerprints] == [LOCAL.fingerprint]
        assert media.dtls.role == ("client" if agreed.is_dtls_client else "server")
    assert [len(media.ice_candidates) for media in taken] == [2, *[0] * (len(taken) - 1)]
    assert taken[0].ice_candidates_complete
    assert agreed.formats[0].name == "opus"
    assert agreed.ufrag in offer
    assert agreed.pwd in offer


def test_what_chromium_and_we_agree_on() -> None:
    agreed = answer_to(VIDEO)
    assert uses(agreed) == ["audio", "", "data"]
    assert [fmt.name for fmt in agreed.formats] == ["opus", "G722", "PCMU", "PCMA"]
    assert [fmt.payload_type for fmt in agreed.formats] == [111, 9, 0, 8]
    assert agreed.formats[0].parameter("useinbandfec") == "1"
    assert agreed.formats[0].parameter("stereo") is None
    assert agreed.telephone_event == 110
    assert (agreed.sends, agreed.receives) == (True, True)
    assert (agreed.mid_extension_id, agreed.audio_level_extension_id) == (4, 1)
    assert agreed.data_channel == DataChannel(5000, 262144, "2")
    assert not agreed.is_dtls_client
    assert not agreed.restarted
    assert agreed.reduced_size_rtcp


def test_opus_is_asked_for_wideband_with_fec_and_without_feedback() -> None:
    answer = answer_to(CHROMIUM).answer
    assert re.search("a=fmtp:111 .*useinbandfec=1;maxplaybackrate=16000", answer)
    assert "stereo=1" not in answer
    assert "a=ptime:20" in answer
    assert "rtcp-fb" not in answer
    assert "red/48000" not in answer
    assert len(re.findall("a=extmap", answer)) == 2


@pytest.mark.parametrize(
    ("offered", "answered", "sends", "receives"),
    [
        ("sendrecv", "sendrecv", True, True),
        ("sendonly", "recvonly", False, True),
        ("recvonly", "sendonly", True, False),
    ],
)
def test_a_direction_is_answered_by_its_counterpart(
    offered: str, answered: str, sends: bool, receives: bool
) -> None:
    agreed = answer_to(CHROMIUM.replace("a=sendrecv", f"a={offered}"))
    assert f"a={answered}\r\n" in agreed.answer
    assert (agreed.sends, agreed.receives) == (sends, receives)
    assert ("a=msid:" in agreed.answer) is sends
    assert ("a=ssrc:305419896 cname:" in agreed.answer) is sends


def test_a_direction_of_the_session_counts_for_its_sections() -> None:
    head, *rest = split(without(CHROMIUM, "a=sendrecv"))
    assert answer_to("".join([head, *rest])).receives
    assert not answer_to("".join([head + "a=recvonly\r\n", *rest])).receives


@pytest.mark.parametrize(
    ("offered", "is_client"), [("actpass", False), ("active", False), ("passive", True)]
)
def test_we_are_active_only_when_the_peer_is_passive(offered: str, is_client: bool) -> None:
    agreed = answer_to(CHROMIUM.replace("a=setup:actpass", f"a=setup:{offered}"))
    assert agreed.is_dtls_client is is_client
    roles = set(re.findall(r"a=setup:(\w+)", agreed.answer))
    assert roles == {"active" if is_client else "passive"}


def test_bundle_only_sections_are_no_rejected_ones() -> None:
    agreed = answer_to(OFFERS["firefox"])
    assert uses(agreed) == ["audio", "", "data"]
    assert agreed.telephone_event is None, "on another clock than Opus"
    assert uses(answer_to(without(OFFERS["firefox"], "a=bundle-only"))) == ["audio", "", ""]


def test_the_old_form_of_a_data_section_is_answered_in_kind() -> None:
    agreed = answer_to(OFFERS["werift"])
    assert agreed.data_channel == DataChannel(5000, 65536, "1")
    assert "m=application 8081 DTLS/SCTP 5000\r\n" in agreed.answer
    assert "a=sctpmap:5000 webrtc-datachannel" in agreed.answer
    assert "a=sctp-port" not in agreed.answer


def test_further_audio_is_rejected_and_inactive_audio_kept_inactive() -> None:
    two = answer_to(OFFERS["chromium-two-audio"])
    assert uses(two) == ["audio", "", "data"]
    first = answer_to(OFFERS["chromium-inactive-first"])
    assert uses(first) == ["spare", "audio", "data"]
    assert first.audio_mid == "1"
    spare = sdp.SessionDescription.parse(first.answer).media[0]
    assert (spare.direction, spare.port, spare.ssrc) == ("inactive", 8081, [])


def test_sections_outside_the_group_are_rejected() -> None:
    apart = answer_to(CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0"))
    assert uses(apart) == ["audio", ""]
    assert "a=group:BUNDLE 0\r\n" in apart.answer
    ungrouped = answer_to(without(CHROMIUM, "a=group"))
    assert uses(ungrouped) == ["audio", ""]
    assert "a=group" not in ungrouped.answer


def test_a_single_section_needs_neither_group_nor_name() -> None:
    head, audio = split(OFFERS["chromium-whip"])
    agreed = answer_to(without(head, "a=group") + without(audio, "a=mid"))
    assert agreed.audio_mid == ""
    assert "a=mid" not in agreed.answer
    assert agreed.answer.count("a=candidate:") == 2


def test_the_first_accepted_section_of_the_group_speaks_for_it() -> None:
    head, audio, data = split(CHROMIUM)
    data = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:data", data)
    ufrag = re.search(r"a=ice-ufrag:(\S+)", audio)
    assert ufrag is not None
    assert answer_to(head + audio + data).ufrag == ufrag[1]
    agreed = answer_to(head.replace("BUNDLE 0 1", "BUNDLE 1 0") + audio + data)
    assert agreed.ufrag == "data"
    sections = split(agreed.answer)
    assert "a=candidate" not in sections[1]
    assert "a=candidate" in sections[2]


def test_video_that_lends_its_transport_is_accepted_inactive() -> None:
    head, audio, video, data = split(VIDEO)
    for pattern in ("a=ice-", "a=fingerprint", "a=setup", "a=rtcp-mux", "a=candidate"):
        audio, data = without(audio, pattern), without(data, pattern)
    audio = re.sub(r"m=audio \d+", "m=audio 0", audio) + "a=bundle-only\r\n"
    data = re.sub(r"m=application \d+", "m=application 0", data) + "a=bundle-only\r\n"
    agreed = answer_to(head.replace("BUNDLE 0 1 2", "BUNDLE 1 0 2") + video + audio + data)
    assert uses(agreed) == ["carrier", "audio", "data"]
    assert "a=group:BUNDLE 1 0 2\r\n" in agreed.answer
    carrier = split(agreed.answer)[1]
    assert carrier.startswith("m=video 8081 UDP/TLS/RTP/SAVPF 96\r\n")
    assert "a=inactive" in carrier
    assert "a=candidate" in carrier
    head = head.replace("BUNDLE 0 1 2", "BUNDLE 1 0 2")
    foreign = negotiate(head + without(video, "a=rtpmap") + audio + data, LOCAL)
    assert uses(foreign) == ["", "audio", "data"], "rejected, it still speaks for the group"


@pytest.mark.parametrize("profile", ["RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/AVP"])
def test_other_names_of_the_same_profile_are_answered_in_their_words(profile: str) -> None:
    agreed = answer_to(CHROMIUM.replace("UDP/TLS/RTP/SAVPF", profile))
    assert f"m=audio 8081 {profile} 111" in agreed.answer


def test_sections_of_foreign_kinds_and_protocols_are_rejected_as_they_came() -> None:
    head, audio, data = split(CHROMIUM)
    fax = "m=image 5000 udptl t38\r\na=fmtp:none of ours\r\n"
    text = "m=text 9/2 RTP/AVP 98\r\na=mid:t\r\na=fmtp:99 x\r\n"
    agreed = answer_to(head + fax + audio + data + text)
    assert uses(agreed) == ["", "audio", "data", ""]
    assert "m=image 0 udptl t38\r\n" in agreed.answer
    assert "m=text 0 RTP/AVP 98\r\n" in agreed.answer
    assert uses(answer_to(CHROMIUM.replace("UDP/DTLS/SCTP", "TCP/BFCP"))) == ["audio", ""]


def test_lines_that_decide_nothing_may_be_anything() -> None:
    head, audio, data = split(CHROMIUM)
    odd = (
        "a=fmtp:5 x\r\na=fmtp:111 minptime=soon; stereo=1\r\na=extmap:x\r\na=ssrc:1\r\n"
        "a=candidate:?\r\na=rid:q send\r\na=simulcast:send q;h\r\na=rtcp-fb:*\r\nc=IN\r\n"
    )
    agreed = answer_to(head + "c=?\r\n" + audio + odd + data)
    assert agreed.formats[0].parameter("stereo") == "1"


def test_static_payload_types_need_no_rtpmap() -> None:
    agreed = answer_to(without(CHROMIUM, "a=rtpmap"))
    assert [fmt.name for fmt in agreed.formats] == ["G722", "PCMU", "PCMA"]
    assert agreed.telephone_event is None


def test_without_an_address_in_our_candidates_the_default_is_none() -> None:
    local = dataclasses.replace(LOCAL, candidates=("candidate:1 1 udp 1 host.local 8081 typ host",))
    answer = negotiate(CHROMIUM, local).answer
    assert "m=audio 9 " in answer
    assert "c=IN IP4 0.0.0.0" in answer


def test_an_ipv6_default_address_says_so() -> None:
    local = dataclasses.replace(LOCAL, candidates=("candidate:1 1 udp 1 2001:db8::1 8 typ host",))
    assert "m=audio 8 UDP/TLS/RTP/SAVPF" in negotiate(CHROMIUM, local).answer
    assert "c=IN IP6 2001:db8::1\r\n" in negotiate(CHROMIUM, local).answer


NO_CODEC = re.sub(r"(opus|G722|PCMU|PCMA)/\d+", "other/8000", CHROMIUM)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not SDP"),
        ("hello", "not SDP"),
        ("v=0", "no media section"),
        ("v=0\r\nm=audio", "cannot be read"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "longer"),
        ("v=0\r\n" + "m=video 9 RTP/AVP 96\r\n" * 65, "more than 64"),
        (CHROMIUM.replace("m=audio", "m=video"), "no audio section"),
        (re.sub("m=audio [0-9]+", "m=audio 0", CHROMIUM), "no audio section"),
        (CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "TCP/MSRP"), "no audio section"),
        (CHROMIUM.replace("a=sendrecv", "a=inactive"), "inactive"),
        (without(CHROMIUM, "a=ice-ufrag"), "ICE credentials"),
        (without(CHROMIUM, "a=ice-pwd"), "ICE credentials"),
        (without(CHROMIUM, "a=fingerprint"), "fingerprint"),
        (CHROMIUM.replace("fingerprint:sha-256", "fingerprint:md5"), "fingerprint"),
        (re.sub(r"(sha-256 \w\w):\w\w", r"\1", CHROMIUM), "fingerprint"),
        (without(CHROMIUM, "a=setup"), "DTLS role"),
        (without(CHROMIUM, "a=rtcp-mux"), "rtcp-mux"),
        (CHROMIUM.replace("a=setup:actpass", "a=setup:sideways"), "cannot be read"),
        (re.sub("m=audio [0-9]+", "m=audio port", CHROMIUM), "cannot be read"),
        (CHROMIUM.replace("a=mid:1", "a=mid:0"), "same name"),
        (CHROMIUM.replace("a=mid:1", "a=mid:a b"), "a=mid"),
        (CHROMIUM.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "ICE-lite"),
    ],
)
def test_what_cannot_be_answered_says_why(text: str, words: str) -> None:
    with pytest.raises(BadOffer, match=words):
        negotiate(text, LOCAL)


@pytest.mark.parametrize("text", [NO_CODEC, NO_CODEC.replace("other/8000", "opus/16000")])
def test_audio_in_a_foreign_codec_is_told_apart(text: str) -> None:
    # Types 0, 8 and 9 have a map of their own here, so they are foreign too.
    with pytest.raises(NoCommonCodec, match="Opus"):
        negotiate(text, LOCAL)


LINES = {name: text.split("\r\n") for name, text in OFFERS.items()}
CHANGES = ["drop", "double", "swap", "cut", "garble", "digit"]


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    lines = list(LINES[draw(st.sampled_from(sorted(LINES)))])
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(lines) - 2))
        match draw(st.sampled_from(CHANGES)):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines[at])
            case "swap":
                lines[at], lines[at + 1] = lines[at + 1], lines[at]
            case "cut":
                lines[at] = lines[at][: len(lines[at]) // 2]
            case "garble":
                begin = draw(st.integers(0, len(lines[at])))
                junk = draw(st.text(max_size=4))
                lines[at] = lines[at][:begin] + junk + lines[at][begin + 1 :]
            case _:
                lines[at] = re.sub(r"\d", str(draw(st.integers(0, 9))), lines[at])
        if len(lines) < 3:
            break
    return "\r\n".join(lines)


@settings(max_examples=300, deadline=None)
@given(mutilated())
def test_a_mutilated_offer_is_answered_whole_or_refused(text: str) -> None:
    try:
        agreed = negotiate(text, LOCAL)
    except CallError:
        return
    sections = sum(line.startswith("m=") for line in text.splitlines())
    parsed = sdp.grouplines(agreed.answer)[1]
    assert len(parsed) == len(agreed.slots) == sections
    assert uses(agreed).count("audio") == 1
    assert agreed.formats
    assert agreed.answer.isascii()
    # What it agreed to once, it agrees to again.
    again = negotiate(text, LOCAL, agreed)
    assert (again.slots, again.restarted) == (agreed.slots, False)


@settings(deadline=None)
@given(st.text(max_size=300) | st.text(alphabet="vmac=:0 \r\naudio", max_size=300))
def test_any_text_is_an_offer_or_a_clear_error(text: str) -> None:
    with pytest.raises(CallError):
        negotiate(text, LOCAL)
