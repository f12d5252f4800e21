"""The short way to a chunk of audio gives what the long one does, or steps aside."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.audio_frame import audio_alone
from gateway.live.decoder import decode_server
from gateway.live.messages import AudioChunk

pytestmark = pytest.mark.unit


def frame_of(pcm: bytes, rate: object = 24000, *, indent: int | None = None) -> bytes:
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": base64.b64encode(pcm).decode()}
    turn = {"modelTurn": {"parts": [{"inlineData": blob}]}}
    return json.dumps({"serverContent": turn}, indent=indent).encode()


@given(st.binary(min_size=2, max_size=400), st.sampled_from([None, 0, 2, 4]))
def test_a_chunk_is_found_however_it_is_indented(pcm: bytes, indent: int | None) -> None:
    found = audio_alone(frame_of(pcm, indent=indent))
    assert found == AudioChunk(pcm[: len(pcm) // 2 * 2], 24000)


def test_the_role_may_stand_on_either_side() -> None:
    blob = {"mimeType": "audio/pcm;rate=16000", "data": "AAAA"}
    parts = [{"inlineData": blob}]
    for turn in ({"role": "model", "parts": parts}, {"parts": parts, "role": "model"}):
        frame = json.dumps({"serverContent": {"modelTurn": turn}}).encode()
        assert audio_alone(frame) == AudioChunk(b"\0\0", 16000)
        assert decode_server(frame) == (AudioChunk(b"\0\0", 16000),)


WHOLE = frame_of(b"\1\2\3\4")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        WHOLE[:-1],
        WHOLE + b"}",
        WHOLE.replace(b"}}}", b'}},"usageMetadata":{}}'),
        WHOLE.replace(b"]}", b'],"x":1}'),
        WHOLE.replace(b"AQIDBA==", b"AQID BA=="),
        WHOLE.replace(b"AQIDBA==", b"AQIDBA="),
        WHOLE.replace(b"AQIDBA==", b""),
        WHOLE.replace(b"24000", b"7999"),
        WHOLE.replace(b"24000", b"1000000"),
        WHOLE.replace(b"audio/pcm", b"audio/mp3"),
    ],
)
def test_anything_else_is_left_alone(frame: bytes) -> None:
    assert frame != WHOLE
    assert audio_alone(frame) is None


@given(st.data())
def test_what_it_takes_means_the_same_to_the_decoder(data: st.DataObject) -> None:
    frame = bytearray(frame_of(b"\1\2\3\4\5\6"))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.sampled_from(list(b' "{}[],:=AZaz09/+-_\n\v\xff')))
    found = audio_alone(bytes(frame))
    if found is not None:
        # The text form of a frame takes the long way.
        assert decode_server(frame.decode()) == (found,)
