from __future__ import annotations

from typing import Any

import pytest

from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    BlobPart,
    ClientContent,
    Content,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    TextPart,
    Usage,
    VoiceActivity,
)
from tests.gateway.live.local.virtual import (
    DEV_25,
    DEV_31,
    MANUAL,
    REFUSED,
    THREE_SECONDS,
    WORD,
    Virtual,
    user,
)

pytestmark = pytest.mark.unit


def model(text: str) -> Content:
    return Content("model", (TextPart(text),))


# -- other ways of speaking ----------------------------------------------------------------


def test_activity_messages_make_utterances_when_detection_is_off() -> None:
    talk = Virtual(setup=MANUAL, script=THREE_SECONDS)
    talk.say(RealtimeAudio(b"S"))  # nobody listens
    talk.say(ActivityStart(), RealtimeAudio(bytes(3200)), ActivityEnd())
    talk.run(1)
    talk.say(ActivityStart())
    assert talk.words() == [
        "setup_complete",
        *["audio", "generation_complete", "interrupted", "turn_complete"],
    ]


@pytest.mark.parametrize("message", [ActivityStart(), ActivityEnd()])
def test_activity_messages_are_refused_when_detection_is_on(message: Any) -> None:
    talk = Virtual()
    talk.say(message)
    code, reason = talk.closed or (0, "")
    assert code == 1007
    assert reason.startswith("Explicit activity control is not supported")


def test_the_end_of_the_stream_is_refused_when_detection_is_off() -> None:
    talk = Virtual(setup=MANUAL)
    talk.say(AudioStreamEnd())
    assert talk.closed == REFUSED
    talk = Virtual()
    talk.say(AudioStreamEnd())
    assert talk.closed is None


def test_vertex_signals_voice_activity_when_asked() -> None:
    talk = Virtual(service="vertex", setup={"explicitVadSignal": True})
    talk.user_says("Hello")
    talk.run(20)
    assert talk.events(VoiceActivity) == [VoiceActivity(True, 1.0), VoiceActivity(False, 2.0)]
    silent = Virtual(service="vertex")
    silent.user_says("Hello")
    assert silent.events(VoiceActivity) == []


def test_a_word_told_is_recalled() -> None:
    talk = Virtual()
    talk.user_says(f"Remember the word {WORD}")
    talk.run(20)
    talk.say(RealtimeText("What was the word?"))
    talk.run(20)
    assert f"The word was {WORD}." in talk.text()


def test_the_newest_picture_is_seen() -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (768).to_bytes(4) + (512).to_bytes(4)
    talk = Virtual()
    talk.say(RealtimeVideo(b"not a picture"))
    talk.say(RealtimeText("What do you see?"))
    talk.run(20)
    assert talk.text() == "You have sent me a picture that I cannot read."
    talk.say(RealtimeVideo(png, "image/png"))
    talk.forget()
    talk.say(RealtimeText("What do you see?"))
    talk.run(20)
    assert talk.text().startswith("I see a PNG picture, 768 pixels wide and 512 pixels high.")
    talk.say(ClientContent((Content("user", (BlobPart(png, "image/png"), TextPart("Hi"))),)))
    talk.run(20)
    assert talk.events(Usage)[-1].details[2].tokens == 3 * 258


# -- clientContent -------------------------------------------------------------------------


def test_client_content_interrupts_and_is_answered() -> None:
    talk = Virtual()
    talk.say(RealtimeText("Tell me a story"))
    talk.run(0.5)
    talk.say(user("Thank you"))
    talk.run(20)
    assert talk.text().endswith("You are welcome.")
    words = talk.words(without="resumption usage transcription")
    assert words == [
        "setup_complete",
        *["audio", "interrupted", "turn_complete"],
        *["audio", "generation_complete", "turn_complete"],
    ]


def test_client_content_interrupts_even_where_speech_may_not() -> None:
    setup = {"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}}
    talk = Virtual(setup=setup, script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(0.5)
    talk.say(ClientContent((), False))
    assert talk.words()[-2:] == ["interrupted", "turn_complete"]


def test_client_content_waits_for_turn_complete() -> None:
    talk = Virtual()
    talk.say(user("Thank you", complete=False))
    talk.run(5)
    assert talk.words() == ["setup_complete"]
    talk.say(ClientContent((), True))
    talk.run(5)
    assert talk.text() == "You are welcome."


def test_turn_complete_alone_makes_the_model_speak() -> None:
    talk = Virtual()
    talk.say(ClientContent((), True))
    talk.run(10)
    assert talk.text() == "Hello! I am the local model. Ask me what I can do."


@pytest.mark.parametrize("nudge", [" ", ".", ""])
def test_text_without_a_word_is_a_nudge(nudge: str) -> None:
    talk = Virtual()
    talk.say(user("Thank you", complete=False))
    talk.say(RealtimeText(nudge))
    talk.run(10)
    assert talk.text() == "You are welcome."


def test_on_2_5_the_last_turn_must_be_the_users() -> None:
    for name, closed in ((DEV_25, REFUSED), (None, None)):
        talk = Virtual(model=name)
        talk.say(ClientContent((model("Hi"),), True))
        assert talk.closed == closed


def test_on_3_1_client_content_is_initial_history_only() -> None:
    talk = Virtual(model=DEV_31)
    talk.say(user("Hello"))
    assert talk.closed == REFUSED
    setup = {"historyConfig": {"initialHistoryInClientContent": True}}
    talk = Virtual(model=DEV_31, setup=setup)
    talk.say(user("Hello", complete=False))
    talk.say(ClientContent((model("Hi"), Content("user", (TextPart("Thanks"),))), True))
    talk.run(5)
    assert talk.words() == ["setup_complete"]
    talk.say(RealtimeText("."))
    talk.run(5)
    assert talk.text() == "You are welcome."
    talk.say(user("Hello"))
    assert talk.closed == REFUSED


def test_a_translation_model_takes_no_client_content() -> None:
    talk = Virtual(model="models/gemini-3.5-live-translate-preview")
    talk.say(user("Hello"))
    assert talk.closed == REFUSED


def test_affective_dialog_is_missed_only_at_the_first_content() -> None:
    talk = Virtual(setup={"generationConfig": {"enableAffectiveDialog": True}})
    talk.run(5)
    assert talk.words() == ["setup_complete"]
    talk.say(RealtimeText("Hello"))
    assert talk.closed == REFUSED
