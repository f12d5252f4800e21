"""The service's 30 voices and 24 languages, said in espeak-ng's terms.

A voice is a :class:`Speaker`: an espeak-ng variant (the shape of a throat) with a
pitch, a range and a speed of its own, so that no two of them sound the same; men are
men and women are women as with the service.  A language picks the espeak-ng voice that
knows its letters.  The two are joined as ``en-us+f3``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DEFAULT_VOICE = "Puck"
DEFAULT_LANGUAGE = "en-US"


@dataclass(frozen=True, slots=True)
class Speaker:
    """How a voice is made: ``pitch`` and ``range_`` 0 to 100, ``rate`` in words per minute."""

    sex: Literal["female", "male"]
    variant: str
    pitch: int = 50
    range_: int = 50
    rate: int = 165


def _f(variant: str, pitch: int = 50, range_: int = 50, rate: int = 165) -> Speaker:
    return Speaker("female", variant, pitch, range_, rate)


def _m(variant: str, pitch: int = 50, range_: int = 50, rate: int = 165) -> Speaker:
    return Speaker("male", variant, pitch, range_, rate)


SPEAKERS = MappingProxyType(
    {
        "Zephyr": _f("belinda", 52, 58, 170),
        "Puck": _m("m3", 62, 65, 172),
        "Charon": _m("m1", 42, 45, 160),
        "Kore": _f("f1", 46, 45, 165),
        "Fenrir": _m("sandro", 64, 80, 174),
        "Leda": _f("linda", 50, 55, 165),
        "Orus": _m("john", 42, 40, 162),
        "Aoede": _f("f5", 52, 62, 168),
        "Callirrhoe": _f("f4", 48, 55, 156),
        "Autonoe": _f("anika", 48, 55, 160),
        "Enceladus": _m("m5", 46, 45, 156),
        "Iapetus": _m("Alex", 50, 50, 165),
        "Umbriel": _m("Denis", 46, 55, 156),
        "Algieba": _m("klatt4", 44, 45, 158),
        "Despina": _f("steph", 46, 50, 160),
        "Erinome": _f("f1", 70, 50, 172),
        "Algenib": _m("Storm", 40, 45, 158),
        "Rasalgethi": _m("m7", 50, 50, 168),
        "Laomedeia": _f("f5", 74, 75, 182),
        "Achernar": _f("f2", 50, 40, 156),
        "Alnilam": _m("ed", 38, 40, 165),
        "Schedar": _m("Henrique", 46, 25, 160),
        "Gacrux": _f("aunty", 40, 45, 158),
        "Pulcherrima": _f("steph3", 64, 60, 172),
        "Achird": _m("miguel", 56, 60, 165),
        "Zubenelgenubi": _m("Mike", 50, 55, 162),
        "Vindemiatrix": _f("f2", 34, 45, 148),
        "Sadachbia": _m("Reed", 62, 70, 172),
        "Sadaltager": _m("edward", 46, 50, 158),
        "Sulafat": _f("f3", 48, 55, 162),
    }
)

LANGUAGES = MappingProxyType(
    {
        "ar-EG": "ar",
        "bn-BD": "bn",
        "nl-NL": "nl",
        "en-IN": "en",
        "en-US": "en-us",
        "fr-FR": "fr",
        "de-DE": "de",
        "hi-IN": "hi",
        "id-ID": "id",
        "it-IT": "it",
        "ja-JP": "ja",
        "ko-KR": "ko",
        "mr-IN": "mr",
        "pl-PL": "pl",
        "pt-BR": "pt-br",
        "ro-RO": "ro",
        "ru-RU": "ru",
        "es-US": "es-419",
        "ta-IN": "ta",
        "te-IN": "te",
        "th-TH": "th",
        "tr-TR": "tr",
        "uk-UA": "uk",
        "vi-VN": "vi",
    }
)


def speaker(voice: str) -> Speaker:
    """The speaker of a voice name.  Raises :exc:`ValueError` for a name that is none."""
    try:
        return SPEAKERS[voice]
    except KeyError:
        raise ValueError(f"no voice {voice!r}") from None


def espeak_language(language: str) -> str:
    """The espeak-ng voice for a BCP 47 code: the code's own, else one of the same language,
    else American English."""
    if language in LANGUAGES:
        return LANGUAGES[language]
    primary = language.partition("-")[0].lower()
    for code, espeak in LANGUAGES.items():
        if code.partition("-")[0] == primary:
            return LANGUAGES[DEFAULT_LANGUAGE] if primary == "en" else espeak
    return LANGUAGES[DEFAULT_LANGUAGE]
