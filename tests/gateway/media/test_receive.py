"""The receiver: a whole time line through loss, disorder, pauses and garbage."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.codecs import make_encoder
from gateway.media.opus import OpusEncoder
from gateway.media.receive import CONCEAL_SAMPLES, MAX_FILL_SAMPLES, AudioReceiver
from gateway.media.reorder import WAIT_S
from tests.support.audio import frame_levels, frequency_hz, level_dbfs, samples_of, tone
from tests.support.speech import say

pytestmark = pytest.mark.unit

OPUS, PCMU, EVENT = 111, 0, 126
TYPES = {OPUS: "opus", PCMU: "PCMU"}
FRAME_BYTES = 640


@lru_cache
def payloads_of(pcm: bytes, fec: bool = False) -> list[bytes]:
    encoder = (
        OpusEncoder(application="voip", fec=True, loss_percent=20) if fec else make_encoder("opus")
    )
    return [encoder.encode(pcm[at : at + 960]) for at in range(0, len(pcm) - 959, 960)]


TONE = payloads_of(tone(440, 24_000, 1.0))


class Wire:
    """Sends packets each 20 ms and keeps what the receiver made of them."""

    def __init__(self, *, sequence: int = 65_530, timestamp: int = (1 << 32) - 4800) -> None:
        self.receiver = AudioReceiver(TYPES)
        self.sequence, self.timestamp, self.now = sequence, timestamp, 100.0
        self.heard = b""

    def send(self, payload: bytes, kind: int = OPUS, *, ticks: int = 960) -> bytes:
        pcm = self.receiver.push(kind, self.sequence, self.timestamp, payload, self.now)
        self.skip(ticks=ticks)
        self.heard += pcm
        return pcm

    def skip(self, packets: int = 1, *, ticks: int = 960) -> None:
        """These packets are lost."""
        self.sequence = (self.sequence + packets) & 0xFFFF
        self.timestamp = (self.timestamp + packets * ticks) & 0xFFFFFFFF
        self.now += packets * ticks / 48_000

    def pause(self, ticks: int) -> None:
        """Nothing is sent."""
        self.timestamp = (self.timestamp + ticks) & 0xFFFFFFFF
        self.now += ticks / 48_000

    def settle(self) -> bytes:
        deadline = self.receiver.deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        pcm = self.receiver.poll(self.now)
        self.heard += pcm
        return pcm


def test_each_packet_in_order_is_a_frame_at_once() -> None:
    wire = Wire()
    assert all(len(wire.send(payload)) == FRAME_BYTES for payload in TONE)
    steady = samples_of(wire.heard)[1600:]
    assert frequency_hz(steady, 16_000) == pytest.approx(440, abs=2)
    assert level_dbfs(steady) == pytest.approx(level_dbfs(samples_of(tone(440, 24_000, 1))), abs=1)
    assert wire.receiver.deadline() is None
    assert wire.receiver.lost == 0


def test_a_packet_that_overtook_changes_nothing_in_the_sound() -> None:
    straight, swapped = Wire(), Wire()
    for payload in TONE:
        straight.send(payload)
    push, at = swapped.receiver.push, list(range(len(TONE)))
    at[10], at[11] = 11, 10
    parts = [push(OPUS, index, 960 * index, TONE[index], 0.0) for index in at]
    assert [len(part) // FRAME_BYTES for part in parts[9:13]] == [1, 0, 2, 1]
    assert b"".join(parts) == straight.heard
    assert swapped.receiver.order.reordered == 1


@pytest.mark.parametrize("lost", [1, 2, 3, 8])
def test_lost_packets_give_as_many_frames(lost: int) -> None:
    wire = Wire()
    for payload in TONE[:20]:
        wire.send(payload)
    wire.skip(lost)
    assert wire.send(TONE[20 + lost]) == b""
    assert wire.receiver.deadline() == pytest.approx(wire.now - 0.02 + WAIT_S)
    assert len(wire.settle()) == (lost + 1) * FRAME_BYTES
    assert wire.receiver.lost == lost
    made = min(lost * 320, CONCEAL_SAMPLES)
    assert wire.receiver.concealed_samples == made
    assert wire.receiver.silent_samples == lost * 320 - made
    hole = samples_of(wire.heard)[20 * 320 : (20 + lost) * 320]
    assert level_dbfs(hole[:320]) > -20
    assert not hole[CONCEAL_SAMPLES - 1 :].any()
    assert np.abs(np.diff(hole)).max() < 2500  # no click where silence begins


def test_redundancy_fills_the_end_of_a_hole() -> None:
    payloads = payloads_of(say("Seven green bottles, hanging on the wall.", rate_hz=24_000), True)
    whole, wire = Wire(), Wire()
    for at, payload in enumerate(payloads):
        whole.send(payload)
        if at in (30, 31):
            wire.skip()
            continue
        wire.send(payload)
    assert len(wire.heard) == len(whole.heard)
    assert wire.receiver.recovered_samples == 320
    assert wire.receiver.concealed_samples == 320


def score(loss: float, *, fec: bool) -> float:
    from pystoi import stoi

    pcm = say("Seven green bottles, hanging on the wall. " * 3, rate_hz=24_000)
    whole, wire, chance = Wire(), Wire(), random.Random(3)
    for payload in payloads_of(pcm, fec):
        whole.send(payload)
        if chance.random() < loss:
            wire.skip()
        else:
            wire.send(payload)
    if wire.receiver.deadline() is not None:
        wire.settle()
    assert len(wire.heard) >= len(whole.heard) - 2 * FRAME_BYTES
    size = len(wire.heard) // 2
    return float(stoi(samples_of(whole.heard)[:size], samples_of(wire.heard), 16_000))


def test_speech_is_understood_through_ten_per_cent_loss() -> None:
    assert score(0.1, fec=True) > 0.95
    assert score(0.1, fec=False) > 0.85


def test_a_pause_is_no_loss_and_gives_nothing() -> None:
    wire = Wire()
    for payload in TONE[:10]:
        wire.send(payload)
    wire.pause(48_000)
    for payload in TONE[10:20]:
        assert len(wire.send(payload)) == FRAME_BYTES
    assert wire.receiver.lost == 0


def test_a_loss_before_a_pause_is_no_longer_than_its_packets() -> None:
    wire = Wire()
    wire.send(TONE[0])
    wire.skip()
    wire.pause(48_000)
    wire.send(TONE[2])
    assert len(wire.settle()) == 2 * FRAME_BYTES


def test_a_loss_is_no_longer_than_the_timestamps_have_room_for() -> None:
    wire = Wire()
    wire.send(TONE[0])
    wire.skip(3, ticks=0)  # they took no time: telephone events, perhaps
    wire.send(TONE[1])
    assert len(wire.settle()) == FRAME_BYTES
    wire.timestamp -= 96_000
    wire.skip(2)
    wire.send(TONE[2])
    assert len(wire.settle()) == FRAME_BYTES


def test_an_outage_is_made_up_for_by_a_second_at_most() -> None:
    wire = Wire()
    wire.send(TONE[0])
    wire.skip(500)
    wire.send(TONE[1])
    assert len(wire.settle()) == MAX_FILL_SAMPLES * 2 + FRAME_BYTES


def test_what_is_no_audio_makes_no_hole_and_no_sound() -> None:
    wire = Wire()
    for at, payload in enumerate(TONE[:20]):
        assert len(wire.send(payload)) == FRAME_BYTES
        if at % 4 == 0:
            assert wire.send(b"\x01\x0a\x00\xa0", EVENT, ticks=0) == b""
        if at % 5 == 0:
            assert wire.send(b"", ticks=0) == b""
    assert wire.receiver.ignored == 9
    assert wire.receiver.lost == 0
    levels = frame_levels(samples_of(wire.heard), 16_000, 20)
    assert min(levels[2:]) > -18


def test_loss_before_anything_was_heard_gives_nothing() -> None:
    wire = Wire()
    wire.send(b"\x01\x0a\x00\xa0", EVENT, ticks=0)
    wire.skip(3)
    wire.send(TONE[0])
    assert len(wire.settle()) == FRAME_BYTES


@pytest.mark.parametrize("garbage", [b"\xfb", b"\xfb\x07" * 4, b"\xf9\x01"])
def test_a_refused_payload_counts_as_lost_and_is_concealed(garbage: bytes) -> None:
    wire = Wire()
    assert wire.send(garbage) == bytes(FRAME_BYTES)
    for payload in TONE[:10]:
        wire.send(payload)
    assert level_dbfs(samples_of(wire.send(garbage))) > -20
    assert len(wire.send(TONE[11])) == FRAME_BYTES
    assert (wire.receiver.refused, wire.receiver.lost) == (2, 2)
    for _ in range(5):
        wire.send(garbage)
    assert wire.send(garbage) == bytes(FRAME_BYTES)  # not concealed for ever


def test_a_refused_payload_behind_a_hole_has_no_redundancy() -> None:
    wire = Wire()
    for payload in TONE[:3]:
        wire.send(payload)
    wire.skip()
    wire.send(b"\x0b\x0f" + bytes(20))  # SILK by its first byte, and corrupt
    assert len(wire.settle()) == 2 * FRAME_BYTES


def test_the_codec_may_change_between_packets() -> None:
    wire = Wire(timestamp=0)
    encoder = make_encoder("PCMU")
    telephone = [encoder.encode(tone(440, 24_000, 0.02)) for _ in range(5)]
    for payload in TONE[:5]:
        assert len(wire.send(payload)) == FRAME_BYTES
    for payload in telephone:
        assert len(wire.send(payload, PCMU, ticks=160)) == FRAME_BYTES
    wire.skip(2, ticks=160)
    wire.send(telephone[0], PCMU, ticks=160)
    assert len(wire.settle()) == 3 * FRAME_BYTES


def test_a_restarted_stream_goes_on_at_once() -> None:
    wire = Wire(sequence=5)
    for payload in TONE[:5]:
        wire.send(payload)
    wire.sequence, wire.timestamp = 30_000, 7
    assert wire.send(TONE[5]) == b""
    assert len(wire.send(TONE[6])) == 2 * FRAME_BYTES
    assert wire.receiver.lost == 0


def test_an_unknown_codec_is_refused_at_once() -> None:
    with pytest.raises(LookupError):
        AudioReceiver({96: "AMR"})


Arrival = st.tuples(
    st.sampled_from([OPUS, OPUS, OPUS, PCMU, EVENT]),
    st.integers(0, 40) | st.integers(0, 65_535),
    st.integers(0, 48_000) | st.integers(0, (1 << 32) - 1),
    st.binary(max_size=60) | st.sampled_from(TONE[:10]),
    st.integers(0, 60),
)


@given(st.lists(Arrival, max_size=40))
@settings(max_examples=60)
def test_nothing_that_arrives_makes_it_raise_or_flood(arrivals: list[tuple[int, ...]]) -> None:
    receiver, now = AudioReceiver(TYPES), 0.0
    for kind, sequence, timestamp, payload, later_ms in arrivals:
        now += later_ms / 1000
        pcm = receiver.push(kind, sequence, timestamp, payload, now)  # type: ignore[arg-type]
        assert len(pcm) % 2 == 0
        assert len(pcm) <= 17 * 2 * (MAX_FILL_SAMPLES + 1920)
    receiver.poll(now + 1)
    assert receiver.deadline() is None
