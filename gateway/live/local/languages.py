"""What the local model says in languages it speaks but does not understand.

The ears know English only.  In a conversation held in another language the model still
hears that something was said, and says so, in that language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

DEFAULT = "en-US"


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its English name, with a greeting and the answer to anything heard."""

    name: str
    greeting: str
    heard: str


# Japanese is in kana: the synthesizer reads those and spells out kanji.
LANGUAGES = MappingProxyType(
    {
        "ar-EG": Language("Arabic", "مرحبًا!", "سمعتك تقول شيئًا، لكنني لا أفهم هنا إلا الإنجليزية."),
        "bn-BD": Language("Bengali", "নমস্কার!", "আমি আপনার কথা শুনেছি, কিন্তু এখানে আমি শুধু ইংরেজি বুঝি।"),
        "nl-NL": Language(
            "Dutch", "Hallo!", "Ik heb u gehoord, maar ik versta hier alleen Engels."
        ),
        "en-IN": Language(
            "English", "Hello!", "I heard you say something, but I did not understand it."
        ),
        "en-US": Language(
            "English", "Hello!", "I heard you say something, but I did not understand it."
        ),
        "fr-FR": Language(
            "French", "Bonjour !", "Je vous ai entendu, mais ici je ne comprends que l'anglais."
        ),
        "de-DE": Language(
            "German", "Hallo!", "Ich habe Sie gehört, aber ich verstehe hier nur Englisch."
        ),
        "hi-IN": Language("Hindi", "नमस्ते!", "मैंने आपकी बात सुनी, लेकिन यहाँ मुझे केवल अंग्रेज़ी समझ में आती है।"),
        "id-ID": Language(
            "Indonesian",
            "Halo!",
            "Saya mendengar Anda, tetapi di sini saya hanya mengerti bahasa Inggris.",
        ),
        "it-IT": Language("Italian", "Ciao!", "Ti ho sentito, ma qui capisco solo l'inglese."),
        "ja-JP": Language(
            "Japanese", "こんにちは。", "おこえはきこえましたが、ここではえいごしかわかりません。"
        ),
        "ko-KR": Language(
            "Korean", "안녕하세요!", "말씀은 들었지만, 여기서는 영어만 알아들을 수 있어요."
        ),
        "mr-IN": Language("Marathi", "नमस्कार!", "मी तुमचे बोलणे ऐकले, पण इथे मला फक्त इंग्रजी समजते."),
        "pl-PL": Language(
            "Polish", "Dzień dobry!", "Słyszę cię, ale tutaj rozumiem tylko angielski."
        ),
        "pt-BR": Language("Portuguese", "Olá!", "Eu ouvi você, mas aqui só entendo inglês."),
        "ro-RO": Language(
            "Romanian", "Bună ziua!", "V-am auzit, dar aici înțeleg doar limba engleză."
        ),
        "ru-RU": Language(
            "Russian", "Здравствуйте!", "Я вас слышу, но здесь я понимаю только английский язык."
        ),
        "es-US": Language("Spanish", "¡Hola!", "Te oigo, pero aquí solo entiendo inglés."),
        "ta-IN": Language(
            "Tamil",
            "வணக்கம்!",
            "நீங்கள் பேசியதைக் கேட்டேன், ஆனால் இங்கே எனக்கு ஆங்கிலம் மட்டுமே புரியும்.",
        ),
        "te-IN": Language(
            "Telugu",
            "నమస్కారం!",
            "మీరు మాట్లాడింది విన్నాను, కానీ ఇక్కడ నాకు ఇంగ్లీష్ మాత్రమే అర్థమవుతుంది.",
        ),
        "th-TH": Language("Thai", "สวัสดี", "ได้ยินเสียงของคุณแล้ว แต่ที่นี่เข้าใจเฉพาะภาษาอังกฤษเท่านั้น"),
        "tr-TR": Language(
            "Turkish", "Merhaba!", "Sizi duydum, ama burada yalnızca İngilizce anlıyorum."
        ),
        "uk-UA": Language(
            "Ukrainian", "Вітаю!", "Я вас чую, але тут я розумію лише англійську мову."
        ),
        "vi-VN": Language(
            "Vietnamese", "Xin chào!", "Tôi đã nghe bạn nói, nhưng ở đây tôi chỉ hiểu tiếng Anh."
        ),
    }
)

_SPEAK = re.compile(
    r"\b(?:speak|respond|reply|answer|talk)\b[^.!?\n]{0,40}\bin\s+(?P<a>\w+)"
    r"|\bspeak\s+(?:only\s+)?(?P<b>\w+)",
    re.IGNORECASE,
)


def language_of(code: str | None, instructions: str) -> str:
    """The language of a conversation, as a key of :data:`LANGUAGES`.

    ``code`` (BCP 47, ``speechConfig.languageCode``) decides; without one, a system
    instruction such as "Respond in German"; English when neither names a language
    that is known.
    """
    if code:
        primary = code.partition("-")[0].lower()
        same = [key for key in LANGUAGES if key.partition("-")[0] == primary]
        return code if code in LANGUAGES else same[-1] if same else DEFAULT
    for match in _SPEAK.finditer(instructions):
        named = (match["a"] or match["b"]).lower()
        for key, language in LANGUAGES.items():
            if language.name.lower() == named:
                return DEFAULT if named == "english" else key
    return DEFAULT


def is_english(code: str) -> bool:
    """Whether the ears understand what is said in this language."""
    return code.startswith("en")
