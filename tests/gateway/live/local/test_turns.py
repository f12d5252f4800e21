from __future__ import annotations

from typing import Any

import pytest

from gateway.live.local.reply import Call
from gateway.live.local.schema import ContextUpdate
from gateway.live.local.script import Rule, Script
from gateway.live.local.switches import Switches
from gateway.live.messages import (
    AudioChunk,
    FunctionResponse,
    GenerationComplete,
    Interrupted,
    RealtimeText,
    ToolCall,
    ToolCallCancellation,
    ToolResponse,
    Transcription,
    TurnComplete,
    Usage,
)
from tests.gateway.live.local.virtual import (
    DEV_25,
    DEV_31,
    MODELS,
    THREE_SECONDS,
    WEATHER,
    Virtual,
    answer,
    tools,
    user,
)

pytestmark = pytest.mark.unit


# -- a turn left alone ---------------------------------------------------------------------


def test_a_reply_goes_out_four_times_faster_than_it_plays_and_ends_when_it_was_played() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(10)
    times = talk.at(AudioChunk)
    assert talk.audio_ms() == 3000
    assert times[0] == 0
    assert times[-1] == pytest.approx(2.96 / 4)
    assert talk.at(GenerationComplete) == [pytest.approx(2.96 / 4)]
    assert talk.at(TurnComplete) == [pytest.approx(3.0)]
    assert talk.words() == ["setup_complete", "audio", "generation_complete", "turn_complete"]


def test_chunks_have_the_length_and_the_spread_that_was_asked_for() -> None:
    even = Virtual(script=THREE_SECONDS, switches=Switches(chunk_ms=100, chunk_spread=0.0))
    uneven = Virtual(script=THREE_SECONDS, switches=Switches(chunk_ms=100, chunk_spread=0.5))
    for talk in (even, uneven):
        talk.say(RealtimeText("go"))
        talk.run(10)
        assert talk.audio_ms() == 3000
    assert {len(chunk.pcm) for chunk in even.events(AudioChunk)} == {4800}
    sizes = [len(chunk.pcm) for chunk in uneven.events(AudioChunk)[:-1]]
    assert len(set(sizes)) > 10
    assert all(size % 2 == 0 and 2400 <= size <= 7200 for size in sizes)


@pytest.mark.parametrize("burst", [1.0, 10.0])
def test_the_burst_factor_sets_the_pace(burst: float) -> None:
    switches = Switches(burst_factor=burst, chunk_spread=0.0)
    talk = Virtual(script=THREE_SECONDS, switches=switches)
    talk.say(RealtimeText("go"))
    talk.run(10)
    assert talk.at(AudioChunk)[-1] == pytest.approx(2.96 / burst)
    assert talk.at(TurnComplete)[0] >= 3.0


def test_a_late_tick_sends_what_was_due_meanwhile_and_no_more() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.now += 0.3
    talk.run(0)
    assert talk.audio_ms() == pytest.approx(1200, abs=41)


def test_spoken_words_are_recognized_shown_and_answered() -> None:
    talk = Virtual(recognize_s=0.1, speak_s=0.05)
    talk.user_says("What time is it?")
    assert talk.words() == ["setup_complete"]
    talk.run(20)
    assert talk.text("user") == "What time is it?"
    assert talk.text() == "It is three forty-two in the afternoon."
    assert talk.at(Transcription)[0] == pytest.approx(0.1)
    assert talk.at(AudioChunk)[0] == pytest.approx(0.15)
    assert talk.words() == [
        "setup_complete",
        "transcription",
        "audio",
        "transcription",
        *["audio", "transcription"] * 6,
        "audio",
        "generation_complete",
        "turn_complete",
    ]


def test_words_come_in_step_with_the_sound_they_are_in() -> None:
    talk = Virtual(model=DEV_25)
    talk.say(RealtimeText("say exactly: one two three four five six seven eight nine ten"))
    talk.run(20)
    whole = talk.audio_ms()
    sound_ms = 0.0
    letters = 0
    for _, frame in talk.sent:
        for event in frame:
            if isinstance(event, AudioChunk):
                sound_ms += len(event.pcm) / 48
            elif isinstance(event, Transcription):
                expected = letters / len(talk.text()) * whole
                assert sound_ms == pytest.approx(expected, abs=90)
                letters += len(event.text)


def test_a_long_reply_is_spoken_two_sentences_ahead_and_not_kept_whole() -> None:
    talk = Virtual(speak_s=0.2)
    talk.say(RealtimeText("Tell me a story"))
    waiting_ms = 0.0
    while not talk.events(GenerationComplete):
        talk.run(0.05)
        waiting_ms = max(waiting_ms, talk.spoken_ms - talk.audio_ms())
    assert talk.audio_ms() > 50_000
    assert waiting_ms < 10_000 + 3 * 5_000


def test_slow_speech_delays_the_reply_and_the_end_of_its_playback() -> None:
    talk = Virtual(script=Script(rules=(Rule(say="x" * 20), Rule())), speak_s=2.0)
    talk.say(RealtimeText("go"))
    talk.run(10)
    assert talk.at(AudioChunk)[0] == 2.0
    assert talk.at(TurnComplete) == [pytest.approx(3.0)]


def test_thinking_time_and_a_rules_delay_pass_before_the_first_sound() -> None:
    script = Script(rules=(Rule(tone_ms=100, delay_ms=700),))
    talk = Virtual(script=script, switches=Switches(think_ms=300, chunk_spread=0.0))
    talk.say(RealtimeText("go"))
    talk.run(5)
    assert talk.at(AudioChunk)[0] == pytest.approx(1.0)
    assert talk.at(TurnComplete) == [pytest.approx(1.1)]


def test_an_empty_reply_is_a_turn_without_content() -> None:
    talk = Virtual(script=Script(rules=(Rule(),)))
    talk.say(RealtimeText("go"))
    talk.run(5)
    assert talk.words() == ["setup_complete", "generation_complete", "turn_complete"]


def test_without_transcription_nothing_is_shown() -> None:
    setup = {"inputAudioTranscription": None, "outputAudioTranscription": None}
    talk = Virtual(setup=setup)
    talk.user_says("Hello")
    talk.run(20)
    assert "transcription" not in talk.words()
    assert talk.dialogue.memory.turns[1].text == "Hello! I can hear you. Ask me what I can do."


def test_a_text_model_answers_in_text() -> None:
    half_cascade = MODELS["vertex"].replace("-native-audio", "")
    setup = {"generationConfig": {"responseModalities": ["TEXT"]}}
    talk = Virtual(service="vertex", model=half_cascade, setup=setup)
    talk.say(user("Thank you"))
    talk.run(5)
    assert talk.words() == ["setup_complete", "text", "generation_complete", "turn_complete"]
    (usage,) = talk.events(Usage)
    assert {(detail.direction, detail.modality) for detail in usage.details} == {
        ("prompt", "TEXT"),
        ("output", "TEXT"),
    }


# -- the shapes that differ ----------------------------------------------------------------


def test_3x_bundles_what_2_5_sends_apart() -> None:
    bundled, apart = Virtual(), Virtual(model=DEV_25)
    for talk in (bundled, apart):
        talk.say(RealtimeText("Thank you"))
        talk.run(5)
    assert ["audio", "transcription"] in bundled.frames()
    assert all(len(frame) == 1 or frame == ["turn_complete", "usage"] for frame in apart.frames())
    forced = Virtual(model=DEV_25, switches=Switches(bundle="always"))
    forced.say(RealtimeText("Thank you"))
    forced.run(5)
    assert ["audio", "transcription"] in forced.frames()


def test_the_users_transcript_is_whole_on_3x_and_in_fragments_on_2_5() -> None:
    whole, fragments = Virtual(), Virtual(model=DEV_25)
    for talk in (whole, fragments):
        talk.user_says("How are you today?")
        talk.run(20)
    said = [event.text for event in whole.events(Transcription) if event.speaker == "user"]
    assert said == ["How are you today?"]
    said = [event.text for event in fragments.events(Transcription) if event.speaker == "user"]
    assert said == ["How", " are", " you", " today?"]


def test_vertex_is_ahead_with_the_models_transcript() -> None:
    talk = Virtual(service="vertex")
    talk.say(RealtimeText("Thank you"))
    talk.run(5)
    kinds = [frame[0] for frame in talk.frames()[1:]]
    assert kinds[:2] == ["transcription", "audio"]
    assert talk.text() == "You are welcome."
    assert kinds.count("transcription") == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("before", ["transcription", "audio", "generation_complete"]),
        ("after", ["audio", "transcription", "generation_complete"]),
    ],
)
def test_the_models_transcript_can_come_before_or_after_its_sound(
    order: Any, expected: list[str]
) -> None:
    talk = Virtual(model=DEV_25, switches=Switches(output_transcript_order=order))
    talk.say(RealtimeText("Thank you"))
    talk.run(5)
    assert talk.words()[1:4] == expected


def test_the_users_transcript_can_come_after_the_first_sound() -> None:
    talk = Virtual(model=DEV_25, switches=Switches(input_transcript_order="after"))
    talk.user_says("Thank you")
    talk.run(5)
    speakers = [event.speaker for event in talk.events(Transcription)]
    assert talk.words()[1] == "audio"
    assert talk.at(Transcription)[0] == talk.at(AudioChunk)[0]
    assert speakers[:3] == ["model", "user", "user"]
    assert talk.text("user") == "Thank you"
    interrupted = Virtual(
        model=DEV_25, speak_s=5.0, switches=Switches(input_transcript_order="after")
    )
    interrupted.user_says("Thank you")
    interrupted.user_starts()
    assert interrupted.text("user") == "Thank you"


def test_transcripts_can_be_closed_with_finished() -> None:
    talk = Virtual(switches=Switches(transcript_finished=True))
    talk.user_says("Thank you")
    talk.run(5)
    closing = [event for event in talk.events(Transcription) if event.finished]
    assert [(event.speaker, event.text) for event in closing] == [
        ("user", "Thank you"),
        ("model", ""),
    ]


def test_turn_complete_can_come_at_once_or_in_the_last_frame() -> None:
    at_once = Virtual(script=THREE_SECONDS, switches=Switches(turn_complete="at_once"))
    same = Virtual(script=THREE_SECONDS, switches=Switches(turn_complete="same_frame"))
    for talk in (at_once, same):
        talk.say(RealtimeText("go"))
        talk.run(5)
        assert talk.at(TurnComplete)[0] < 0.8
        assert talk.audio_ms() == 3000
    assert at_once.frames()[-2:] == [["generation_complete"], ["turn_complete", "usage"]]
    assert same.frames()[-1] == ["audio", "generation_complete", "turn_complete", "usage"]


def test_usage_counts_the_whole_context_and_grows_with_it() -> None:
    setup = {"systemInstruction": {"parts": [{"text": "Be brief. " * 4}]}}
    talk = Virtual(script=THREE_SECONDS, setup=setup)
    for _ in range(2):
        talk.user_says("")
        talk.run(5)
    first, second = talk.events(Usage)
    assert first.output_tokens == second.output_tokens == 75
    assert first.prompt_tokens == 10 + 25
    assert second.prompt_tokens == 10 + 25 + 75 + 25
    assert second.total_tokens == second.prompt_tokens + 75


def test_usage_can_come_alone_or_not_at_all() -> None:
    alone = Virtual(script=THREE_SECONDS, switches=Switches(usage_alone=True))
    none = Virtual(script=THREE_SECONDS, switches=Switches(usage="none"))
    for talk in (alone, none):
        talk.say(RealtimeText("go"))
        talk.run(5)
    assert alone.frames()[-2:] == [["turn_complete"], ["usage"]]
    assert none.frames()[-1] == ["turn_complete"]


# -- interruptions -------------------------------------------------------------------------


def test_a_reply_of_three_seconds_is_interrupted_at_one_point_two() -> None:
    talk = Virtual(script=THREE_SECONDS, switches=Switches(burst_factor=1.0, chunk_spread=0.0))
    talk.say(RealtimeText("go"))
    talk.run(1.2)
    talk.user_starts()
    talk.run(10)
    assert talk.at(Interrupted) == talk.at(TurnComplete) == [1.2]
    assert talk.audio_ms() == pytest.approx(1240)
    assert "generation_complete" not in talk.words()
    assert talk.words()[-2:] == ["interrupted", "turn_complete"]


def test_a_reply_still_being_played_is_interrupted_after_generation_complete() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(1.2)
    assert talk.words()[-1] == "generation_complete"
    talk.user_starts()
    talk.run(10)
    assert talk.words()[-3:] == ["generation_complete", "interrupted", "turn_complete"]
    assert talk.at(TurnComplete) == [1.2]


def test_speaking_when_nothing_is_being_said_interrupts_nothing() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.user_says("")
    talk.run(10)
    talk.user_starts()
    assert "interrupted" not in talk.words()


def test_after_an_early_turn_complete_interrupted_still_comes_while_sound_is_playing() -> None:
    talk = Virtual(script=THREE_SECONDS, switches=Switches(turn_complete="at_once"))
    talk.say(RealtimeText("go"))
    talk.run(2)
    talk.user_starts()
    talk.user_ends()
    talk.run(0)
    assert talk.words()[1:5] == ["audio", "generation_complete", "turn_complete", "interrupted"]
    assert talk.at(TurnComplete)[0] < 1


@pytest.mark.parametrize(
    ("order", "frames"),
    [
        ("apart", [["interrupted"], ["turn_complete", "usage"]]),
        ("same_frame", [["interrupted", "turn_complete", "usage"]]),
        ("reversed", [["turn_complete", "usage"], ["interrupted"]]),
    ],
)
def test_interrupted_and_turn_complete_come_in_three_orders(
    order: Any, frames: list[list[str]]
) -> None:
    talk = Virtual(script=THREE_SECONDS, switches=Switches(interrupted_order=order))
    talk.say(RealtimeText("go"))
    talk.run(0.2)
    talk.user_starts()
    assert talk.frames()[-len(frames) :] == frames


def test_no_interruption_lets_the_reply_end_and_answers_then() -> None:
    setup = {"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}}
    talk = Virtual(setup=setup, script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(0.5)
    talk.user_says("")
    talk.run(20)
    assert "interrupted" not in talk.words()
    assert talk.at(TurnComplete) == [pytest.approx(3.0), pytest.approx(6.0)]
    assert talk.audio_ms() == 6000


def test_what_was_not_sent_is_not_remembered() -> None:
    talk = Virtual()
    talk.say(RealtimeText("Tell me a story"))
    talk.run(1.0)
    talk.user_starts()
    said = talk.dialogue.memory.turns[-1]
    assert said.role == "model"
    assert said.text == talk.text()
    assert 0 < len(said.text) < 200


def test_nothing_of_an_interrupted_reply_comes_later_from_a_slow_voice() -> None:
    talk = Virtual(speak_s=1.0)
    talk.say(RealtimeText("Tell me a story"))
    talk.run(0.5)
    talk.user_starts()
    talk.run(30)
    assert talk.words() == ["setup_complete", "interrupted", "turn_complete"]


def test_a_pause_in_mid_sentence_does_not_cost_what_was_understood() -> None:
    talk = Virtual(recognize_s=0.3)
    talk.user_says("What time is it?")
    talk.run(0.1)
    talk.user_says("")  # a cough
    talk.run(20)
    assert talk.text() == "It is three forty-two in the afternoon."
    assert len(talk.events(TurnComplete)) == 1


def test_the_last_of_several_utterances_is_answered() -> None:
    talk = Virtual(recognize_s=0.3)
    talk.user_says("Hello")
    talk.run(0.1)
    talk.user_says("Thank you")
    talk.run(20)
    assert talk.text("user") == "HelloThank you"
    assert talk.text() == "You are welcome."


def test_recognition_that_comes_back_while_the_user_speaks_waits_for_the_end() -> None:
    talk = Virtual(recognize_s=0.3)
    talk.user_says("Hello")
    talk.run(0.1)
    talk.user_starts()
    talk.run(5)
    assert talk.words() == ["setup_complete", "transcription"]
    talk.user_ends()
    talk.run(5)
    assert talk.text().startswith("Hello!")


# -- functions -----------------------------------------------------------------------------


def ask_weather(**options: Any) -> tuple[Virtual, ToolCall]:
    talk = Virtual(setup=tools(WEATHER), **options)
    talk.user_says("What is the weather in Paris?")
    talk.run(5)
    (call,) = talk.events(ToolCall)
    return talk, call


def test_on_2_5_the_turn_ends_with_the_call_and_the_answer_is_a_new_one() -> None:
    talk, call = ask_weather(model=DEV_25)
    assert call.calls[0].name == "get_weather"
    assert call.calls[0].args == {"city": "Paris"}
    assert talk.words()[-2:] == ["tool_call", "turn_complete"]
    talk.say(answer(call, {"output": "Sunny, 20 degrees."}))
    talk.run(10)
    assert talk.text() == "Sunny, 20 degrees."
    assert len(talk.events(TurnComplete)) == 2


def test_on_3_1_the_turn_waits_for_the_answer() -> None:
    talk, call = ask_weather(model=DEV_31)
    assert talk.words()[-1] == "tool_call"
    talk.say(answer(call, {"temperature": 20, "sky": "clear"}))
    talk.run(10)
    assert talk.text() == "temperature 20, sky clear"
    assert talk.words()[-2:] == ["generation_complete", "turn_complete"]
    assert len(talk.events(TurnComplete)) == 1


def test_on_3_8_the_model_does_not_wait_and_speaks_when_idle() -> None:
    talk, call = ask_weather()
    assert talk.words()[-2:] == ["tool_call", "turn_complete"]
    talk.say(RealtimeText("Tell me a story"))
    talk.run(0.5)
    talk.say(answer(call, {"result": "Rain."}))
    talk.run(120)
    assert talk.text().endswith("in case a light is not enough.Rain.")
    assert "interrupted" not in talk.words()


def test_an_answer_can_interrupt_or_stay_silent() -> None:
    talk, call = ask_weather()
    talk.say(RealtimeText("Tell me a story"))
    talk.run(0.5)
    talk.say(answer(call, {"result": "Rain."}, scheduling="INTERRUPT"))
    talk.run(5)
    assert talk.text().endswith("Rain.")
    assert talk.words().count("interrupted") == 1
    talk, call = ask_weather()
    talk.forget()
    talk.say(answer(call, {"result": "Rain."}, scheduling="SILENT"))
    talk.run(5)
    assert talk.words() == []


def test_an_answer_for_later_waits_until_the_user_has_finished() -> None:
    talk, call = ask_weather()
    talk.user_starts()
    talk.say(answer(call, {"result": "Rain."}))
    talk.run(3)
    assert "Rain" not in talk.text()
    talk.user_ends("Thank you")
    talk.run(20)
    assert "Rain." in talk.text()
    assert talk.text().endswith("You are welcome.")


def test_a_call_that_is_to_go_on_stays_open() -> None:
    talk, call = ask_weather()
    for text, more in (("One.", True), ("Two.", False), ("Three.", None)):
        talk.say(answer(call, {"result": text}, will_continue=more))
        talk.run(5)
    assert talk.text() == "One.Two."


@pytest.mark.parametrize("name", [DEV_25, DEV_31])
def test_a_blocking_call_is_cancelled_when_the_user_speaks(name: str) -> None:
    talk, call = ask_weather(model=name)
    talk.user_starts()
    (cancelled,) = talk.events(ToolCallCancellation)
    assert cancelled.ids == (call.calls[0].id,)
    assert len(talk.events(TurnComplete)) == 1
    talk.forget()
    talk.user_ends("Thank you")
    talk.run(10)
    talk.say(answer(call, {"output": "Too late."}))
    talk.run(10)
    assert talk.text() == "You are welcome."


def test_while_a_blocking_call_is_open_nothing_else_is_said() -> None:
    setup = {
        **tools(WEATHER),
        "realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"},
    }
    talk = Virtual(model=DEV_31, setup=setup)
    talk.say(RealtimeText("What is the weather in Rome?"))
    talk.say(RealtimeText("Thank you"))
    talk.run(60)
    assert talk.words()[-1] == "tool_call"
    (call,) = talk.events(ToolCall)
    talk.say(answer(call, {"error": "no service"}))
    talk.run(60)
    assert talk.text() == "That did not work: no serviceYou are welcome."


def test_several_calls_are_waited_for_together() -> None:
    calls = (Call("a", {"x": 1}), Call("b"))
    script = Script(rules=(Rule(when="go", say="One moment.", calls=calls),))
    setup = tools({"name": "a"}, {"name": "b"})
    talk = Virtual(model=DEV_31, setup=setup, script=script)
    talk.say(RealtimeText("go"))
    talk.run(5)
    (sent,) = talk.events(ToolCall)
    assert talk.text() == "One moment."
    first, second = (FunctionResponse(call.id, call.name, {"output": f"{call.name}."})
                     for call in sent.calls)  # fmt: skip
    talk.say(ToolResponse((second,)))
    talk.run(5)
    assert talk.words()[-1] == "tool_call"
    talk.say(ToolResponse((first,)))
    talk.run(5)
    assert talk.text() == "One moment.b. a."
    assert talk.dialogue.memory.turns[-1].text == "One moment.b. a."


def test_calls_without_ids_are_answered_by_name() -> None:
    talk, call = ask_weather(model=DEV_25, switches=Switches(tool_ids=False))
    assert call.calls[0].id is None
    talk.say(ToolResponse((FunctionResponse(None, "other", {"output": "No."}),)))
    talk.say(answer(call, {"output": "Fine."}))
    talk.run(5)
    assert talk.text() == "Fine."
    talk.user_says("What is the weather in Paris?")
    talk.run(5)
    talk.user_starts()
    assert talk.events(ToolCallCancellation) == []


def test_tools_and_instructions_can_be_changed_in_mid_session() -> None:
    talk = Virtual(setup=tools(WEATHER))
    talk.say(ContextUpdate(instructions="Be brief.", tools=[]))
    talk.user_says("What is the weather in Paris?")
    talk.run(10)
    assert talk.events(ToolCall) == []
    assert talk.text().startswith("In Paris it is")
    assert talk.dialogue.settings is not None
    assert talk.dialogue.settings.instructions == "Be brief."
