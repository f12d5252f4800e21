"""Later offers of a call: what may change, what must stay."""

from __future__ import annotations

import dataclasses
import re

import pytest

from gateway.errors import BadOffer
from gateway.rtc.negotiation import negotiate
from tests.gateway.rtc.offers import LOCAL, OFFERS, mids, split

pytestmark = pytest.mark.unit

OFFER = OFFERS["chromium-audio-data"]
FIRST = negotiate(OFFER, LOCAL)


def test_the_same_offer_again_changes_nothing_but_the_version() -> None:
    local = dataclasses.replace(LOCAL, session_version=2)
    again = negotiate(OFFER, local, FIRST)
    assert again.answer == FIRST.answer.replace("o=- 4711 1 ", "o=- 4711 2 ")
    assert dataclasses.replace(again, answer=FIRST.answer) == FIRST


@pytest.mark.parametrize("line", ["a=ice-ufrag:", "a=ice-pwd:"])
def test_new_credentials_are_a_restart(line: str) -> None:
    agreed = negotiate(OFFER.replace(line, f"{line}new"), LOCAL, FIRST)
    assert agreed.restarted
    fresh = dataclasses.replace(LOCAL, ufrag="fresh", pwd="freshpassword0123456789ab")
    assert (
        "a=ice-ufrag:fresh\r\n" in negotiate(OFFER.replace(line, f"{line}new"), fresh, FIRST).answer
    )


def test_another_certificate_is_refused() -> None:
    other = re.sub(r"sha-256 \w\w", "sha-256 00", OFFER)
    with pytest.raises(BadOffer, match="fingerprint changed"):
        negotiate(other, LOCAL, FIRST)


def test_roles_stay_whatever_is_offered_again() -> None:
    passive = negotiate(OFFER.replace("setup:actpass", "setup:passive"), LOCAL)
    assert passive.is_dtls_client
    again = negotiate(OFFER, LOCAL, passive)
    assert again.is_dtls_client
    assert "a=setup:active" in again.answer
    with pytest.raises(BadOffer, match="role changed"):
        negotiate(OFFER.replace("setup:actpass", "setup:active"), LOCAL, passive)
    with pytest.raises(BadOffer, match="role changed"):
        negotiate(OFFER.replace("setup:actpass", "setup:passive"), LOCAL, FIRST)


@pytest.mark.parametrize(
    ("offered", "sends", "receives"),
    [("inactive", False, False), ("recvonly", True, False), ("sendonly", False, True)],
)
def test_audio_may_change_its_direction(offered: str, sends: bool, receives: bool) -> None:
    agreed = negotiate(OFFER.replace("a=sendrecv", f"a={offered}"), LOCAL, FIRST)
    assert (agreed.sends, agreed.receives) == (sends, receives)
    assert agreed.slots == FIRST.slots


def test_the_audio_stays_the_calls_own_when_other_audio_wakes() -> None:
    offer = OFFERS["chromium-inactive-first"]
    first = negotiate(offer, LOCAL)
    woken = negotiate(offer.replace("a=inactive", "a=sendrecv"), LOCAL, first)
    assert woken.slots == first.slots
    assert woken.audio_mid == "1"


def test_when_the_calls_audio_is_stopped_other_audio_takes_its_place() -> None:
    offer = OFFERS["chromium-inactive-first"]
    first = negotiate(offer, LOCAL)
    head, spare, audio, data = split(offer)
    spare = spare.replace("a=inactive", "a=sendrecv")
    audio = re.sub(r"m=audio \d+", "m=audio 0", audio)
    later = negotiate(head.replace("0 1 2", "0 2") + spare + audio + data, LOCAL, first)
    assert later.audio_mid == "0"
    assert [slot.use for slot in later.slots] == ["audio", "", "data"]


def test_a_data_channel_may_be_added() -> None:
    head, audio, data = split(OFFER)
    first = negotiate(head.replace("0 1", "0") + audio, LOCAL)
    assert first.data_channel is None
    later = negotiate(OFFER, LOCAL, first)
    assert later.data_channel is not None
    assert mids(later.answer) == ["0", "1"]


def test_sections_may_not_vanish_or_trade_places() -> None:
    head, audio, data = split(OFFER)
    for text in (head + audio, head + data + audio, OFFER.replace("a=mid:0", "a=mid:7")):
        with pytest.raises(BadOffer, match="in their order"):
            negotiate(text, LOCAL, FIRST)


def test_a_rejected_place_may_be_used_anew() -> None:
    offer = OFFERS["chromium-audio-video-data"]
    first = negotiate(offer, LOCAL)
    recycled = offer.replace("a=mid:1", "a=mid:5").replace("BUNDLE 0 1 2", "BUNDLE 0 5 2")
    assert mids(negotiate(recycled, LOCAL, first).answer) == ["0", "5", "2"]
