"""One frame, read by the WebSocket library's own server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from gateway.live import frames
from gateway.live.frames import client_frame

pytestmark = pytest.mark.unit


def read(stream: bytes) -> list[Frame]:
    """All frames of a stream, masked as a client's must be."""
    reader = StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    found = []
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=True)
        with pytest.raises(StopIteration) as done:
            while True:
                next(parsing)
        found.append(done.value.value)
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_every_length_is_read_whole(size: int) -> None:
    text = bytes(32 + number % 90 for number in range(size))
    (frame,) = read(client_frame(text))
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.TEXT, True, text)
    assert not (frame.rsv1 or frame.rsv2 or frame.rsv3)


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_the_length_is_written_in_the_shortest_form(size: int, head: int) -> None:
    assert len(client_frame(bytes(size))) == head + 4 + size


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_frames_follow_each_other_in_one_stream(texts: list[bytes]) -> None:
    stream = b"".join(map(client_frame, texts))
    assert [frame.data for frame in read(stream)] == texts


def test_no_key_comes_twice() -> None:
    count = 3 * frames._KEYS // 4
    keys = [client_frame(b"")[2:6] for _ in range(count)]
    assert len(set(keys)) > count - 3  # of 32 random bits two may be the same
    assert all(len(key) == 4 for key in keys)
