"""Opus by libopus itself, mono, at the rates the gateway works with.

PyAV's own Opus goes through 48 kHz and frames; libopus decodes straight to 16 kHz and
encodes straight from 24 kHz, and only it gives concealment and in-band FEC.  The library
comes with PyAV's wheel; one of the system serves too.  Calls hold the interpreter's lock:
they are shorter than the wait to get it back from a busy thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import av

FRAME_MS = 20
MAX_PACKET_MS = 120  # RFC 6716 §3.2.5
MAX_PAYLOAD_BYTES = 1275  # of one frame, RFC 6716 §3.2.1

Application = Literal["voip", "audio", "lowdelay"]

_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_SET_SIGNAL = 4024
_SIGNAL_VOICE = 3001
_CELT_ONLY = 0x80  # the highest bit of the TOC byte, RFC 6716 §3.1


class OpusError(ValueError):
    """libopus refused: a corrupt payload, or an argument it does not take."""


class OpusDecoder:
    """Decodes one stream to mono s16le at ``rate_hz``: 8, 12, 16, 24 or 48 kHz.

    Call :meth:`decode` for each payload in order; for what is missing between two of them
    :meth:`conceal`, then :meth:`recover`, whose lengths together are what was lost.
    Raises :exc:`OpusError` for another rate and :exc:`ImportError` without libopus.
    """

    def __init__(self, rate_hz: int = 16_000) -> None:
        library = _library()
        error = ctypes.c_int()
        state = library.opus_decoder_create(rate_hz, 1, ctypes.byref(error))
        _check(error.value)
        weakref.finalize(self, library.opus_decoder_destroy, state)
        self.rate_hz = rate_hz
        self._max_samples = rate_hz * MAX_PACKET_MS // 1000
        self._step_samples = rate_hz // 400  # lengths are whole 2.5 ms
        # A slice of an array of char is bytes, which its declared type does not know.
        self._pcm: Any = ctypes.create_string_buffer(self._max_samples * 2)
        # What each call needs, in the form that ctypes need not convert.
        self._state = ctypes.c_void_p(state)
        self._out = ctypes.c_void_p(ctypes.addressof(self._pcm))
        self._opus_decode = library.opus_decode

    def decode(self, payload: bytes) -> bytes:
        """The samples of one packet of up to 120 ms.  Raises :exc:`OpusError`."""
        if not payload:
            raise OpusError("an empty payload is no Opus packet")
        samples: int = self._opus_decode(
            self._state, payload, len(payload), self._out, self._max_samples, 0
        )
        if samples < 0:
            raise OpusError(_text(samples))
        pcm: bytes = self._pcm[: samples * 2]
        return pcm

    def conceal(self, samples: int) -> bytes:
        """As many samples of what might have been said; it fades, and a held tone only slowly."""
        parts = []
        missing = samples
        while missing > 0:
            size = min(missing + -missing % self._step_samples, self._max_samples)
            parts.append(self._fill(None, size)[: missing * 2])
            missing -= size
        return b"".join(parts)

    def recover(self, payload: bytes, samples: int) -> bytes:
        """The ``samples`` before ``payload``, from the redundancy in it (RFC 6716 §2.1.7).

        ``samples`` are whole 2.5 ms, at most 120 ms; what ``payload`` does not tell is
        concealed.  Call it before :meth:`decode` of the same payload.  Raises :exc:`OpusError`.
        """
        if not payload:
            raise OpusError("an empty payload is no Opus packet")
        return self._fill(payload, samples)

    def _fill(self, payload: bytes | None, samples: int) -> bytes:
        if not 0 < samples <= self._max_samples:
            raise OpusError(f"{samples} samples are no length of a packet")
        size = 0 if payload is None else len(payload)
        fec = 0 if payload is None else 1
        made: int = self._opus_decode(self._state, payload, size, self._out, samples, fec)
        if made < 0:
            raise OpusError(_text(made))
        pcm: bytes = self._pcm[: made * 2]
        return pcm


class OpusEncoder:
    """Encodes mono s16le at ``rate_hz`` in frames of 20 ms, with a variable bit rate.

    ``lowdelay`` looks 2.5 ms ahead and costs a third of ``voip`` (6.5 ms), but carries no
    FEC whatever ``fec`` says, and is concealed less well.  The application cannot
    change later; the bit rate and the expected loss can.  Raises :exc:`OpusError` for
    values libopus does not take and :exc:`ImportError` without libopus.
    """

    def __init__(
        self,
        rate_hz: int = 24_000,
        *,
        application: Application = "lowdelay",
        bitrate_bps: int = 32_000,
        complexity: int = 5,
        fec: bool = False,
        loss_percent: int = 0,
    ) -> None:
        library = _library()
        error = ctypes.c_int()
        state = library.opus_encoder_create(
            rate_hz, 1, _APPLICATIONS[application], ctypes.byref(error)
        )
        _check(error.value)
        weakref.finalize(self, library.opus_encoder_destroy, state)
        self.rate_hz = rate_hz
        self.frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._frame_samples = self.frame_bytes // 2
        self._payload: Any = ctypes.create_string_buffer(MAX_PAYLOAD_BYTES)
        self._state = ctypes.c_void_p(state)
        self._out = ctypes.c_void_p(ctypes.addressof(self._payload))
        self._opus_encode = library.opus_encode
        self._set(_SET_SIGNAL, _SIGNAL_VOICE)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_INBAND_FEC, int(fec))
        self.set_bitrate(bitrate_bps)
        self.set_loss(loss_percent)

    def encode(self, pcm: bytes) -> bytes:
        """The payload of one frame of 20 ms.  Raises :exc:`ValueError` for another length."""
        if len(pcm) != self.frame_bytes:
            raise ValueError(f"a frame has {self.frame_bytes} bytes, not {len(pcm)}")
        size: int = self._opus_encode(
            self._state, pcm, self._frame_samples, self._out, MAX_PAYLOAD_BYTES
        )
        if size < 0:
            raise OpusError(_text(size))
        made: bytes = self._payload[:size]
        return made

    def set_bitrate(self, bitrate_bps: int) -> None:
        """From the next frame on; libopus keeps it between 500 bit/s and what is useful."""
        self._set(_SET_BITRATE, bitrate_bps)

    def set_loss(self, loss_percent: int) -> None:
        """How much loss the stream is to bear: with FEC, more of the bits go to redundancy."""
        self._set(_SET_PACKET_LOSS_PERC, loss_percent)

    def _set(self, request: int, value: int) -> None:
        # A variadic function: only what argtypes leaves open is passed as variadic.
        _check(_library().opus_encoder_ctl(self._state, request, ctypes.c_int(value)))


def packet_samples(payload: bytes, rate_hz: int) -> int:
    """How long a packet is at ``rate_hz``, by its TOC (RFC 6716 §3.1); 0 for a malformed one."""
    samples: int = _library().opus_packet_get_nb_samples(payload, len(payload), rate_hz)
    return max(0, samples)


def has_fec(payload: bytes) -> bool:
    """Whether a packet carries redundancy of the one before it.

    libopus before 1.4 cannot tell: then it is every packet that might, and those without
    are concealed by :meth:`OpusDecoder.recover`.
    """
    if not payload or payload[0] & _CELT_ONLY:
        return False
    try:
        has_lbrr = _library().opus_packet_has_lbrr
    except AttributeError:
        return True
    return bool(has_lbrr(payload, len(payload)) > 0)


@lru_cache(maxsize=1)
def _library() -> ctypes.PyDLL:
    for name in _candidates():
        try:
            return _declare(ctypes.PyDLL(name))
        except (OSError, AttributeError):
            continue
    raise ImportError(
        "libopus is neither in PyAV's wheel nor on the system: install it "
        "(Debian: libopus0, macOS: brew install opus)"
    )


def _candidates() -> Iterator[str]:
    package = Path(av.__file__).parent
    for found in (package.parent.glob("av.libs/libopus-*"), package.glob(".dylibs/libopus.*")):
        yield from sorted(map(str, found))
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system


def _declare(library: ctypes.PyDLL) -> ctypes.PyDLL:
    state, out, data, integer = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.opus_decoder_create.restype = library.opus_encoder_create.restype = state
    library.opus_decoder_create.argtypes = [integer, integer, ctypes.c_void_p]
    library.opus_encoder_create.argtypes = [integer, integer, integer, ctypes.c_void_p]
    library.opus_decoder_destroy.argtypes = library.opus_encoder_destroy.argtypes = [state]
    library.opus_decoder_destroy.restype = library.opus_encoder_destroy.restype = None
    library.opus_decode.argtypes = [state, data, integer, out, integer, integer]
    library.opus_encode.argtypes = [state, data, integer, out, integer]
    library.opus_encoder_ctl.argtypes = [state, integer]
    library.opus_packet_get_nb_samples.argtypes = [data, integer, integer]
    library.opus_strerror.argtypes, library.opus_strerror.restype = [integer], data
    return library


def _check(code: int) -> None:
    if code < 0:
        raise OpusError(_text(code))


def _text(code: int) -> str:
    text: bytes = _library().opus_strerror(code)
    return f"libopus: {text.decode()}"
