"""One sentence from text to sound: a program of its own around libespeak-ng.

    python -I -S espeak.py LIBRARY DATA VOICE RATE PITCH RANGE  < text > pcm

UTF-8 text on standard input becomes 22050 Hz mono s16le PCM on standard output.
The process lives for one sentence: espeak-ng keeps global state, and the same text
comes out differently after other voices were used.  The library (GPL-3) is loaded
here only; the rest of the gateway sees a command.  Nothing but the standard library
is imported, so that Python starts in about 20 ms.

Exit codes: 0 sound was written, 2 wrong arguments, 3 the library or its data cannot
be used, 4 the voice is unknown, 5 synthesis failed.
"""

from __future__ import annotations

import ctypes
import sys

RATE_HZ = 22_050

_AUDIO_OUTPUT_RETRIEVAL = 1
_DONT_EXIT = 0x8000  # espeak_Initialize returns an error instead of ending the process
_CHARS_UTF8 = 1
_PARAMETER_RATE, _PARAMETER_PITCH, _PARAMETER_RANGE = 1, 3, 4
_SEED = 1  # breath and flutter are random numbers

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class EspeakError(Exception):
    """espeak-ng said no; ``exit_code`` is this program's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def synthesize(
    text: str, *, library: str, data: str, voice: str, rate: int, pitch: int, range_: int
) -> bytes:
    """``text`` as 22050 Hz mono s16le PCM; call once per process.

    ``voice`` is an espeak-ng voice with an optional variant (``en-us+f3``), ``rate`` is in
    words per minute, ``pitch`` and ``range_`` are espeak-ng's 0 to 100.
    Raises :exc:`EspeakError`.
    """
    try:
        lib = ctypes.CDLL(library)
    except OSError as error:
        raise EspeakError(f"cannot load espeak-ng: {error}", 3) from None
    sample_rate_hz = lib.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, data.encode(), _DONT_EXIT)
    if sample_rate_hz != RATE_HZ:
        raise EspeakError(f"espeak-ng does not start: {sample_rate_hz}", 3)
    if hasattr(lib, "espeak_ng_SetRandSeed"):
        lib.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
    if lib.espeak_SetVoiceByName(voice.encode()) != 0:
        raise EspeakError(f"no voice {voice}", 4)
    for parameter, value in (
        (_PARAMETER_RATE, rate),
        (_PARAMETER_PITCH, pitch),
        (_PARAMETER_RANGE, range_),
    ):
        lib.espeak_SetParameter(parameter, value, 0)

    pcm = bytearray()

    def keep(samples: int | None, count: int, _events: int | None) -> int:
        if samples is not None:  # at the end there are none
            pcm.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = _Callback(keep)
    lib.espeak_SetSynthCallback(callback)
    line = text.replace("\0", " ").encode() + b"\0"
    status = lib.espeak_Synth(line, ctypes.c_size_t(len(line)), 0, 0, 0, _CHARS_UTF8, None, None)
    if status != 0 or lib.espeak_Synchronize() != 0:
        raise EspeakError(f"synthesis failed: {status}", 5)
    return bytes(pcm)


def main(arguments: list[str]) -> int:
    """The command; errors go to standard error, without the text."""
    try:
        library, data, voice, rate, pitch, range_ = arguments
        numbers = int(rate), int(pitch), int(range_)
    except ValueError:
        print("usage: espeak.py LIBRARY DATA VOICE RATE PITCH RANGE", file=sys.stderr)
        return 2
    text = sys.stdin.buffer.read().decode(errors="replace")
    try:
        pcm = synthesize(
            text,
            library=library,
            data=data,
            voice=voice,
            rate=numbers[0],
            pitch=numbers[1],
            range_=numbers[2],
        )
    except EspeakError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    sys.stdout.buffer.write(pcm)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
