"""The resampler by measurement: pass band, aliases, images, length, and joins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.resample import Resampler

pytestmark = pytest.mark.unit

AMPLITUDE = 8000.0


def tone(hz: float, rate_hz: int, seconds: float = 1.0) -> bytes:
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return (AMPLITUDE * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def convert(pcm: bytes, in_hz: int, out_hz: int, block_ms: int = 20) -> bytes:
    resampler = Resampler(in_hz, out_hz)
    size = in_hz * block_ms // 1000 * 2
    parts = [resampler.push(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    return b"".join([*parts, resampler.flush()])


def level_db(pcm: bytes) -> float:
    """Level of the middle half, against the tone that went in."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return 20 * math.log10(float(np.sqrt((middle**2).mean())) / (AMPLITUDE / math.sqrt(2)) + 1e-9)


def spectrum_db(pcm: bytes, rate_hz: int, hz: float) -> float:
    """Level of one frequency of the middle half, against the tone that went in."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    window = np.hanning(len(middle))
    probe = np.exp(-2j * np.pi * hz * np.arange(len(middle)) / rate_hz)
    amplitude = 2 * abs(np.sum(middle * window * probe)) / np.sum(window)
    return 20 * math.log10(amplitude / AMPLITUDE + 1e-9)


@pytest.mark.parametrize("hz", [100, 300, 1000, 3400, 6000, 7000])
def test_down_to_16_khz_the_pass_band_is_flat(hz: int) -> None:
    assert level_db(convert(tone(hz, 48000), 48000, 16000)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hz", [8400, 9000, 12000, 15000, 20000])
def test_down_to_16_khz_nothing_above_8_khz_comes_back_as_an_alias(hz: int) -> None:
    assert level_db(convert(tone(hz, 48000), 48000, 16000)) < -60


@pytest.mark.parametrize("hz", [100, 1000, 7000, 10800])
def test_up_to_48_khz_the_pass_band_is_flat(hz: int) -> None:
    up = convert(tone(hz, 24000), 24000, 48000)
    assert spectrum_db(up, 48000, hz) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hz", [1000, 7000, 9000, 10800])
def test_up_to_48_khz_there_is_no_image(hz: int) -> None:
    up = convert(tone(hz, 24000), 24000, 48000)
    assert spectrum_db(up, 48000, 24000 - hz) < -80


@given(
    st.sampled_from([(48000, 16000), (24000, 48000), (22050, 24000), (8000, 16000)]),
    st.lists(st.integers(0, 1500), min_size=1, max_size=12),
)
@settings(deadline=None, max_examples=40)
def test_the_blocks_do_not_matter(rates: tuple[int, int], sizes: list[int]) -> None:
    in_hz, out_hz = rates
    pcm = tone(440, in_hz, sum(sizes) / in_hz)
    whole = convert(pcm, in_hz, out_hz, block_ms=1000)
    resampler = Resampler(in_hz, out_hz)
    parts = []
    for size in sizes:
        parts.append(resampler.push(pcm[: size * 2]))
        pcm = pcm[size * 2 :]
    assert b"".join([*parts, resampler.flush()]) == whole


def test_the_length_is_kept_to_a_sample() -> None:
    assert abs(len(convert(tone(440, 48000), 48000, 16000)) // 2 - 16000) <= 1
    assert abs(len(convert(tone(440, 24000), 24000, 48000)) // 2 - 48000) <= 1


def test_the_filter_holds_back_about_two_milliseconds() -> None:
    held = 320 - len(Resampler(48000, 16000).push(tone(440, 48000, 0.02))) // 2
    assert 0 < held <= 48


def test_stereo_is_mixed_to_mono() -> None:
    left = np.frombuffer(tone(1000, 48000), "<i2")
    both = np.column_stack([left, left]).tobytes()
    resampler = Resampler(48000, 16000, channels=2)
    assert level_db(resampler.push(both) + resampler.flush()) == pytest.approx(0, abs=0.1)
