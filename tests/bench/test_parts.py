"""Sound, counters of the machine, pictures and texts of the measurements."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from bench.load import numbers
from bench.rig import charts, machine, sink, sound
from bench.rig.crowd import ONSET
from bench.rig.frames import FrameReader, write

pytestmark = pytest.mark.unit


def test_the_onset_is_where_the_callers_think_it_is() -> None:
    packets = sound.caller_packets()
    ear = sound.OpusEar()
    peaks = [ear.peaks(packet) for packet in packets * 2]
    quiet, loud = peaks[ONSET - 5 : ONSET], peaks[ONSET : ONSET + 5]
    assert all(peak < sound.LOUD / 2 for peak, _ in quiet)
    assert all(min(pair) > sound.LOUD for pair in loud)


def test_the_voice_is_loud_from_its_first_millisecond() -> None:
    pcm = np.abs(sound.voice(0.5, 24_000).astype(int))
    assert pcm[:24].max() > sound.LOUD
    assert pcm.reshape(-1, 480).max(axis=1).min() > sound.LOUD


def test_a_reply_is_what_the_service_sends() -> None:
    chunks = sink.reply_frames(0.4)
    assert len(chunks) == 10
    (frame,) = FrameReader().push(chunks[0])
    turn = json.loads(frame.data())["serverContent"]["modelTurn"]
    assert turn["parts"][0]["inlineData"]["mimeType"] == "audio/pcm;rate=24000"


@pytest.mark.parametrize("space", ["", " "])
def test_audio_is_found_in_anybody_s_json(space: str) -> None:
    text = f'{{"realtimeInput":{{"audio":{{"mimeType":"a/b","data":{space}"AQACAA=="}}}}}}'
    (frame,) = FrameReader().push(write(1, text.encode()))
    assert sink.audio_of(frame).tolist() == [1, 2]
    (frame,) = FrameReader().push(write(1, b'{"realtimeInput":{"audioStreamEnd":true}}'))
    assert sink.audio_of(frame).size == 0


def test_a_process_with_a_strange_name_is_read() -> None:
    stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 9"
    assert machine.parse_process_cpu_s(stat) == pytest.approx(200 / machine._TICKS_PER_S)


def test_cores_are_busy_when_neither_idle_nor_waiting() -> None:
    before = "cpu  1 1 1 1\ncpu0 100 0 0 100 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 1\n"
    after = "cpu0 130 0 10 150 10 0 0 0 0 0\ncpu1 0 0 0 10 0 0 0 90 0 0\n"
    earlier = machine.Snapshot(0.0, {"a": 1.0}, machine.parse_cores(before))
    later = machine.Snapshot(10.0, {"a": 1.5}, machine.parse_cores(after))
    assert later.core_percent(earlier) == {0: pytest.approx(40.0), 1: pytest.approx(90.0)}
    assert later.cpu_percent(earlier) == {"a": pytest.approx(5.0)}


def test_memory_is_read_in_bytes() -> None:
    assert machine.parse_kb("Rss:  7 kB\nPss:     12 kB\n", "Pss") == 12 * 1024
    assert machine.parse_kb("", "Pss") == 0


def test_charts_are_xml_even_of_nothing() -> None:
    ET.fromstring(charts.load_chart([]))
    text = charts.chart("a < b", {"native": [(1, 2.0), (80, 0.9)], "x": [(5, 8.0)]})
    assert len(ET.fromstring(f"<svg>{text}</svg>").findall("polyline")) == 2


@pytest.mark.parametrize(("value", "end"), [(0, 1), (0.9, 1), (1, 1), (3, 4), (5, 10), (12, 20)])
def test_scales_end_at_round_numbers(value: float, end: float) -> None:
    assert charts.nice(value) == pytest.approx(end)


def test_numbers_of_calls() -> None:
    assert numbers("1,5,10") == [1, 5, 10]
    assert numbers("") == []
    with pytest.raises(ValueError):
        numbers("0")
