"""Every codec of the table: tones and speech through it, with PyAV's codecs as witnesses."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media import g711
from gateway.media.codecs import CODECS, clock_hz, make_decoder, make_encoder
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

NAMES = [codec.name for codec in CODECS.values()]
TELEPHONE = ["G722", "PCMU", "PCMA"]
# How PyAV calls them, and at which rate.
WITNESS = {"G722": ("g722", 16_000), "PCMU": ("pcm_mulaw", 8_000), "PCMA": ("pcm_alaw", 8_000)}


def frames_of(pcm: bytes, size: int = 960) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def witness(name: str, mode: str) -> av.AudioCodecContext:
    codec_name, rate_hz = WITNESS[name]
    codec = av.CodecContext.create(codec_name, mode)  # type: ignore[call-overload]
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format = rate_hz, "mono", "s16"
    return codec


def decoded_by_witness(name: str, payloads: list[bytes]) -> Samples:
    codec = witness(name, "r")
    frames = [frame for data in payloads for frame in codec.decode(av.Packet(data))]
    return samples_of(b"".join(frame.to_ndarray().tobytes() for frame in frames))


def encoded_by_witness(name: str, pcm: bytes) -> list[bytes]:
    codec, rate_hz = witness(name, "w"), WITNESS[name][1]
    payloads = []
    for at, piece in enumerate(frames_of(pcm, rate_hz // 25)):
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(piece, np.int16).reshape(1, -1), "s16", "mono"
        )
        frame.sample_rate, frame.pts = rate_hz, at * rate_hz // 50
        payloads += [bytes(packet) for packet in codec.encode(frame)]
    return payloads


def test_names_ignore_case_and_strangers_are_refused() -> None:
    assert [clock_hz(name) for name in ("OPUS", "g722", "PCMU", "pcma")] == [48_000, *[8_000] * 3]
    with pytest.raises(LookupError, match="ILBC"):
        make_decoder("ILBC")
    with pytest.raises(TypeError):
        make_encoder("PCMU", bitrate_bps=32_000)


@pytest.mark.parametrize("name", NAMES)
def test_a_tone_comes_back_at_its_level_with_no_gap_or_join(name: str) -> None:
    pcm = tone(1000, 24_000, 1.0)
    encoder, decoder = make_encoder(name), make_decoder(name)
    payloads = [encoder.encode(frame) for frame in frames_of(pcm)]
    pieces = [decoder.decode(payload) for payload in payloads]
    assert {len(piece) for piece in pieces} == {640}
    assert {decoder.ticks(payload) for payload in payloads} == {clock_hz(name) // 50}
    heard = samples_of(b"".join(pieces))
    steady = heard[3200:-1600]
    assert frequency_hz(steady, 16_000) == pytest.approx(1000, abs=2)
    assert level_dbfs(steady) == pytest.approx(level_dbfs(samples_of(pcm)), abs=0.5)
    # What is left without the tone: a gap or a lost sample would be far above this.
    at = np.arange(len(steady)) / 16_000
    waves = np.stack((np.sin(2000 * np.pi * at), np.cos(2000 * np.pi * at)), axis=1)
    rest = steady - waves @ np.linalg.lstsq(waves, steady, rcond=None)[0]
    assert level_dbfs(rest) < level_dbfs(steady) - 20


@pytest.mark.parametrize("name", TELEPHONE)
def test_160_bytes_for_each_frame_and_little_delay(name: str) -> None:
    pcm = say("Seven green bottles, hanging on the wall.", rate_hz=24_000)
    encoder, decoder = make_encoder(name), make_decoder(name)
    payloads = [encoder.encode(frame) for frame in frames_of(pcm)]
    assert {len(payload) for payload in payloads} == {160}
    heard = samples_of(b"".join(map(decoder.decode, payloads)))
    at, _ = align(samples_of(say("Seven green bottles, hanging on the wall.")), heard)
    assert at <= 160  # 10 ms, both filters together


@pytest.mark.parametrize("name", TELEPHONE)
def test_another_decoder_understands_what_we_encode(name: str) -> None:
    pcm = say("Seven green bottles, hanging on the wall.", rate_hz=24_000)
    encoder, rate_hz = make_encoder(name), WITNESS[name][1]
    heard = decoded_by_witness(name, [encoder.encode(frame) for frame in frames_of(pcm)])
    wanted = samples_of(say("Seven green bottles, hanging on the wall.", rate_hz=rate_hz))
    assert level_dbfs(heard) == pytest.approx(level_dbfs(wanted), abs=1)
    assert intelligibility(wanted, heard, rate_hz) > 0.97


@pytest.mark.parametrize("name", TELEPHONE)
def test_we_understand_what_another_encoder_sends(name: str) -> None:
    rate_hz = WITNESS[name][1]
    pcm = say("Seven green bottles, hanging on the wall.", rate_hz=rate_hz)
    decoder = make_decoder(name)
    heard = samples_of(b"".join(map(decoder.decode, encoded_by_witness(name, pcm))))
    assert level_dbfs(heard) == pytest.approx(level_dbfs(samples_of(pcm)), abs=1)
    assert intelligibility(samples_of(pcm), heard[:: 16_000 // rate_hz], rate_hz) > 0.97


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_the_tables_of_g711_are_the_standard_ones(law: g711.Law) -> None:
    codes = bytes(range(256))
    samples = g711.decode(codes, law)
    assert samples_of(samples).tolist() == decoded_by_witness(law, [codes]).tolist()
    again = g711.encode(samples, law)
    assert g711.decode(again, law) == samples  # μ-law has two zeros, so codes may differ
    # Half a rung of sixteen to the octave, or half of the smallest of A-law.
    every = np.arange(-32_768, 32_768, dtype=np.int16)
    error = np.abs(samples_of(g711.decode(g711.encode(every.tobytes(), law), law)) - every)
    assert np.all(error <= np.maximum(8, (np.abs(every.astype(int)) + 132) / 32))


@pytest.mark.parametrize("name", TELEPHONE)
@given(sizes=st.lists(st.integers(1, 1600), min_size=1, max_size=8))
@settings(max_examples=15)
def test_any_bytes_decode_to_their_length(name: str, sizes: list[int]) -> None:
    decoder = make_decoder(name)
    for size in sizes:
        assert len(decoder.decode(bytes([size % 256]) * size)) == 4 * size


@pytest.mark.parametrize("name", TELEPHONE)
@pytest.mark.parametrize("size", [0, 1601, 65_535])
def test_absurd_lengths_are_refused(name: str, size: int) -> None:
    with pytest.raises(ValueError, match="no payload"):
        make_decoder(name).decode(bytes(size))


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_another_length_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="960 bytes"):
        make_encoder(name).encode(bytes(640))


@pytest.mark.parametrize("name", TELEPHONE)
def test_concealment_goes_on_and_fades_within_60_ms(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    assert decoder.conceal(160) == bytes(640)  # nothing to go on
    pieces = [decoder.decode(encoder.encode(frame)) for frame in frames_of(tone(500, 24_000, 0.2))]
    last = pieces[-1]
    guess = [samples_of(decoder.conceal(160)) for _ in range(4)]
    assert [len(piece) for piece in guess] == [320] * 4
    levels = [level_dbfs(piece) - level_dbfs(samples_of(last)) for piece in guess]
    assert levels[0] == pytest.approx(-1.6, abs=0.7)
    assert levels[1] == pytest.approx(-6, abs=0.7)
    assert levels[2] == pytest.approx(-14.5, abs=2)
    assert not guess[3].any()
    assert abs(guess[0][0] - samples_of(last)[-1]) < 200  # no click
    assert decoder.redundancy(bytes(160)) == 0
    assert decoder.recover(bytes(160), 160) == bytes(640)
    decoder.decode(encoder.encode(bytes(960)))
    assert any(decoder.conceal(160))  # a new frame, a new guess
