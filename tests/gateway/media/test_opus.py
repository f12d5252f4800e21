"""Opus by libopus: against PyAV's decoder, through loss, and with garbage."""

from __future__ import annotations

import gc
import weakref

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import opus
from gateway.media.opus import OpusDecoder, OpusEncoder, OpusError, has_fec, packet_samples
from tests.support.audio import (
    Samples,
    align,
    frequency_hz,
    intelligibility,
    level_dbfs,
    samples_of,
    tone,
)
from tests.support.speech import say

pytestmark = pytest.mark.unit

TEXT = "The quick brown fox jumps over the lazy dog, and sleeps in the warm sun."
VOIP_FEC = OpusEncoder(24_000, application="voip", fec=True, loss_percent=20)


def frames_of(pcm: bytes, size: int = 960) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def encode(pcm: bytes, encoder: OpusEncoder | None = None) -> list[bytes]:
    encoder = encoder or OpusEncoder()
    return [encoder.encode(frame) for frame in frames_of(pcm, encoder.frame_bytes)]


def by_pyav(payloads: list[bytes]) -> Samples:
    """What a browser hears: 48 kHz."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    frames = [frame for data in payloads for frame in decoder.decode(av.Packet(data))]
    return samples_of(b"".join(frame.to_ndarray().tobytes() for frame in frames))


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_a_tone_keeps_its_level_and_frequency(rate_hz: int) -> None:
    decoder = OpusDecoder(rate_hz)
    heard = samples_of(b"".join(map(decoder.decode, encode(tone(1000, 24_000, 1.0)))))
    assert len(heard) == rate_hz
    middle = heard[rate_hz // 4 :]
    assert frequency_hz(middle, rate_hz) == pytest.approx(1000, abs=2)
    assert level_dbfs(middle) == pytest.approx(level_dbfs(samples_of(tone(1000, 24_000, 1))), abs=1)


@pytest.mark.parametrize(("application", "delay"), [("lowdelay", 120), ("voip", 312)])
def test_a_browser_hears_speech_at_its_level_after_the_delay_of_the_mode(
    application: opus.Application, delay: int
) -> None:
    pcm = say(TEXT, rate_hz=24_000)
    heard = by_pyav(encode(pcm, OpusEncoder(application=application)))
    twice = np.repeat(samples_of(pcm), 2)
    at, part = align(twice, heard)
    assert at == pytest.approx(delay, abs=6)
    assert level_dbfs(part) == pytest.approx(level_dbfs(samples_of(pcm)), abs=0.5)
    assert intelligibility(samples_of(pcm), heard[::2], 24_000) > 0.97


def test_speech_by_another_encoder_is_decoded_straight_to_16_khz() -> None:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.bit_rate = 64_000
    pcm = say(TEXT, rate_hz=48_000)
    decoder, heard = OpusDecoder(), b""
    for at, frame in enumerate(frames_of(pcm, 1920)):
        both = np.repeat(np.frombuffer(frame, np.int16), 2).reshape(1, -1)
        audio = av.AudioFrame.from_ndarray(both, "s16", "stereo")
        audio.sample_rate, audio.pts = 48_000, at * 960
        for packet in encoder.encode(audio):
            assert len(made := decoder.decode(bytes(packet))) == 640
            heard += made
    assert intelligibility(samples_of(pcm)[::3], samples_of(heard), 16_000) > 0.97


def test_the_bit_rate_is_kept_and_can_change() -> None:
    frames = frames_of(say(TEXT, rate_hz=24_000))
    encoder = OpusEncoder(bitrate_bps=24_000)
    sizes = []
    for bitrate_bps in (24_000, 48_000):
        encoder.set_bitrate(bitrate_bps)
        sizes.append(sum(len(encoder.encode(frame)) for frame in frames) * 400 / len(frames))
    assert sizes == pytest.approx([24_000, 48_000], rel=0.1)


def test_redundancy_restores_what_concealment_can_only_guess() -> None:
    pcm = say(TEXT, rate_hz=24_000)
    payloads = encode(pcm, OpusEncoder(application="voip", fec=True, loss_percent=20))
    assert sum(map(has_fec, payloads)) > len(payloads) // 3
    scores = []
    for use_fec in (True, False):
        decoder, heard = OpusDecoder(), []
        for at, payload in enumerate(payloads):
            if at % 4 == 2:
                continue
            if at % 4 == 3:
                heard.append(decoder.recover(payload, 320) if use_fec else decoder.conceal(320))
            heard.append(decoder.decode(payload))
        assert {len(piece) for piece in heard} == {640}
        clean = b"".join(map(OpusDecoder().decode, payloads))
        heard_samples = samples_of(b"".join(heard))
        scores.append(
            intelligibility(samples_of(clean)[: len(heard_samples)], heard_samples, 16_000)
        )
    assert scores[0] > 0.93
    assert scores[0] > scores[1] + 0.03


def test_only_a_silk_packet_with_redundancy_says_so() -> None:
    speech = say(TEXT, rate_hz=24_000)
    assert not any(map(has_fec, encode(speech)))
    assert not any(map(has_fec, encode(speech, OpusEncoder(application="voip"))))
    assert not has_fec(b"")


def test_a_libopus_that_cannot_tell_of_redundancy_lets_it_be_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Old:
        pass

    monkeypatch.setattr(opus, "_library", Old)
    assert has_fec(b"\x08\x00")
    assert not has_fec(b"\xf8\x00")


@pytest.mark.parametrize("samples", [1, 40, 100, 320, 1920, 5000])
def test_concealment_has_the_length_that_was_asked_for(samples: int) -> None:
    decoder = OpusDecoder()
    for payload in encode(tone(300, 24_000, 0.2)):
        decoder.decode(payload)
    pcm = samples_of(decoder.conceal(samples))
    assert len(pcm) == samples
    if samples == 320:
        assert level_dbfs(pcm) > -20
    if samples == 5000:
        assert level_dbfs(pcm[-320:]) < -30


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\x00", 160),  # SILK, 10 ms
        (b"\x18", 960),  # SILK, 60 ms
        (b"\xe0\x01", 40),  # CELT, 2.5 ms
        (b"\xf9\x01\x01", 640),  # two frames of 20 ms
        (b"\xfb\x06" + bytes(6), 1920),  # six of them
        (b"\xfb\x07" + bytes(7), 0),  # seven: more than 120 ms
        (b"\xfb", 0),  # no number of frames
        (b"", 0),
    ],
)
def test_the_length_of_a_packet_is_in_its_first_bytes(payload: bytes, samples: int) -> None:
    assert packet_samples(payload, 16_000) == samples


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x00", b"\xf9\x01", b"\xfb\x07" * 4])
def test_a_corrupt_payload_is_refused_and_the_next_decodes(payload: bytes) -> None:
    decoder = OpusDecoder()
    with pytest.raises(OpusError):
        decoder.decode(payload)
    with pytest.raises(OpusError):
        decoder.recover(payload, 320)
    assert len(decoder.decode(encode(bytes(960))[0])) == 640


GOOD = encode(tone(440, 24_000, 0.1), VOIP_FEC)


@given(st.binary(max_size=200) | st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_decoded_or_refused(payload: bytes, at: int, value: int) -> None:
    if at < len(payload):
        payload = payload[:at] + bytes([value]) + payload[at + 1 :]
    decoder = OpusDecoder()
    try:
        pcm = decoder.decode(payload)
    except OpusError:
        return
    assert len(pcm) == packet_samples(payload, 16_000) * 2
    has_fec(payload)
    assert len(decoder.recover(payload, 320)) == 640


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(OpusError):
        OpusDecoder(44_100)
    with pytest.raises(OpusError):
        OpusEncoder(complexity=11)
    with pytest.raises(ValueError, match="960 bytes"):
        OpusEncoder().encode(bytes(958))
    with pytest.raises(OpusError):
        OpusDecoder().recover(GOOD[0], 4000)


def test_no_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus, "_candidates", lambda: iter(["/nowhere/libopus.so"]))
    with pytest.raises(ImportError, match="libopus is neither"):
        opus._library.__wrapped__()


def test_the_states_are_freed() -> None:
    codec = OpusDecoder(), OpusEncoder()
    finalizers = [weakref.finalize(one, lambda: None) for one in codec]
    del codec
    gc.collect()
    assert not any(one.alive for one in finalizers)
