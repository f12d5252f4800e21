"""Packets of one audio stream to 16 kHz mono PCM with a whole time line.

A packet in order is decoded as it comes.  What is lost is taken from the redundancy in
the packet after it, or concealed for a moment and then silent, so that N lost packets
give N frames.  What was never sent (a pause with DTX) gives nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gateway.media.codecs import DECODED_HZ, AudioDecoder, clock_hz, make_decoder
from gateway.media.reorder import LIMIT, WAIT_S, Lost, ReorderBuffer

CONCEAL_SAMPLES = DECODED_HZ // 10  # 100 ms: nobody can guess more
MAX_FILL_SAMPLES = DECODED_HZ  # a longer hole is an outage: its first second is made up for
_FRAME_SAMPLES = DECODED_HZ // 50
_HALF = 1 << 31  # of the timestamps


class AudioReceiver:
    """``payload_types`` names the codec of each RTP payload type, as in SDP.

    Give every packet to :meth:`push`, and call :meth:`poll` at :meth:`deadline`; both
    return the PCM that is ready, s16le, often one frame and often none.  Packets of other
    types (telephone events, comfort noise), and empty ones, are no audio and no loss.
    Nothing that arrives makes these methods raise.

    Counts: ``refused`` packets the codec did not take, which are lost as well;
    ``ignored`` packets that are no audio; ``recovered_samples`` from redundancy,
    ``concealed_samples`` guessed and ``silent_samples`` beyond that, at 16 kHz.
    ``order`` counts lost, late, duplicate and reordered packets.  Raises
    :exc:`LookupError` for a codec that is not in the table.
    """

    def __init__(
        self, payload_types: Mapping[int, str], *, wait_s: float = WAIT_S, limit: int = LIMIT
    ) -> None:
        self.order = ReorderBuffer(wait_s=wait_s, limit=limit)
        self.refused = self.ignored = 0
        self.recovered_samples = self.concealed_samples = self.silent_samples = 0
        self._names = dict(payload_types)
        self._clocks_hz = {kind: clock_hz(name) for kind, name in payload_types.items()}
        self._decoders: dict[int, AudioDecoder] = {}  # made when first needed
        # Of the last packet that was audio:
        self._kind = -1
        self._timestamp = 0
        self._pcm_bytes = 0
        self._run_samples = 0  # made up since then

    @property
    def lost(self) -> int:
        """Packets that did not come in time, or could not be decoded."""
        return self.order.lost + self.refused

    def push(
        self, payload_type: int, sequence: int, timestamp: int, payload: bytes, now: float
    ) -> bytes:
        """Take a packet as it arrives; return the PCM that is ready."""
        if self.order.accept(sequence):
            return self._decode(payload_type, timestamp, payload)
        self.order.push(sequence, timestamp, payload, now, payload_type)
        return self.poll(now)

    def poll(self, now: float) -> bytes:
        """The PCM that is ready because somebody waited long enough."""
        parts = []
        while (item := self.order.pop(now)) is not None:
            if isinstance(item, Lost):
                parts.append(self._fill_hole(item))
            else:
                parts.append(self._decode(item.payload_type, item.timestamp, item.payload))
        return b"".join(parts)

    def deadline(self) -> float | None:
        """When to call :meth:`poll`; ``None`` while no packet is missed."""
        return self.order.deadline()

    @property
    def _clock_hz(self) -> int:
        return self._clocks_hz[self._kind]

    def _decode(self, kind: int, timestamp: int, payload: bytes) -> bytes:
        decoder = self._decoders.get(kind) or self._open(kind)
        if decoder is None or not payload:
            self.ignored += 1
            return b""
        self._kind = kind
        self._timestamp = timestamp
        try:
            pcm = decoder.decode(payload)
        except ValueError:
            self.refused += 1
            self._pcm_bytes = self._pcm_bytes or _FRAME_SAMPLES * 2
            return self._make_up(decoder, self._pcm_bytes // 2)
        self._pcm_bytes = len(pcm)
        self._run_samples = 0
        return pcm

    def _open(self, kind: int) -> AudioDecoder | None:
        name = self._names.get(kind)
        if name is None:
            return None
        return self._decoders.setdefault(kind, make_decoder(name))

    def _fill_hole(self, hole: Lost) -> bytes:
        decoder = self._decoders.get(self._kind)
        if decoder is None:
            return b""  # nothing was heard yet
        following = hole.following
        missing = self._missing_samples(hole)
        known = 0
        if following.payload_type == self._kind:
            known = decoder.redundancy(following.payload) * DECODED_HZ // self._clock_hz
        if not 0 < known <= missing:
            return self._make_up(decoder, missing)
        guessed = self._make_up(decoder, missing - known)
        try:
            recovered = decoder.recover(following.payload, known * self._clock_hz // DECODED_HZ)
        except ValueError:
            return guessed + self._make_up(decoder, known)
        self.recovered_samples += known
        return guessed + recovered

    def _missing_samples(self, hole: Lost) -> int:
        """By the count, and no more than the timestamps have room for."""
        ticks = (hole.following.timestamp - self._timestamp) & 0xFFFFFFFF
        if ticks >= _HALF:
            return 0
        frame = self._pcm_bytes // 2
        room = ticks * DECODED_HZ // self._clock_hz - frame
        return max(0, min(hole.count * frame, room, MAX_FILL_SAMPLES))

    def _make_up(self, decoder: AudioDecoder, samples: int) -> bytes:
        """A guess while it is worth something, then silence."""
        guessed = min(samples, max(0, CONCEAL_SAMPLES - self._run_samples))
        self._run_samples += samples
        self.concealed_samples += guessed
        self.silent_samples += samples - guessed
        if not guessed:
            return bytes(samples * 2)
        pcm = decoder.conceal(guessed * self._clock_hz // DECODED_HZ)
        if self._run_samples >= CONCEAL_SAMPLES:
            pcm = _fade_out(pcm)
        return pcm + bytes(samples * 2 - len(pcm))


def _fade_out(pcm: bytes) -> bytes:
    """Ends in silence, by a slope of at most 20 ms."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    slope = min(len(samples), _FRAME_SAMPLES)
    samples[len(samples) - slope :] *= np.linspace(1, 0, slope)
    return samples.astype(np.int16).tobytes()
