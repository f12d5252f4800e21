from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.live.local.handles import Handles
from gateway.live.local.refusal import NOT_FOUND, Refusal
from gateway.live.local.reply import Closing
from gateway.live.local.schema import ContextUpdate
from gateway.live.local.script import Rule, Script
from gateway.live.local.switches import Switches
from gateway.live.messages import (
    AudioChunk,
    AudioStreamEnd,
    GenerationComplete,
    GoAway,
    Interrupted,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    SessionResumptionUpdate,
    Setup,
    SetupComplete,
    ToolCall,
    Transcription,
    TurnComplete,
)
from tests.gateway.live.local.virtual import (
    DEV_25,
    DEV_31,
    MODELS,
    REFUSED,
    THREE_SECONDS,
    WEATHER,
    WORD,
    Virtual,
    answer,
    tools,
    user,
)

pytestmark = pytest.mark.unit


# -- setup ---------------------------------------------------------------------------------


def test_the_setup_is_answered_and_nothing_is_said_before_the_client_speaks() -> None:
    talk = Virtual()
    talk.run(60)
    assert talk.words() == ["setup_complete"]
    assert talk.events(SetupComplete) == [SetupComplete(None)]


def test_vertex_names_the_session() -> None:
    (complete,) = Virtual(service="vertex").events(SetupComplete)
    assert complete.session_id
    never = Virtual(service="vertex", switches=Switches(session_id="never"))
    assert never.events(SetupComplete) == [SetupComplete(None)]


def test_content_before_the_setup_is_refused() -> None:
    talk = Virtual(setup=None)
    talk.say(RealtimeText("hello"))
    assert talk.closed == REFUSED


def test_a_second_setup_is_refused() -> None:
    talk = Virtual()
    talk.say(Setup({"model": MODELS["dev"]}))
    assert talk.closed == REFUSED


def test_content_before_setup_complete_is_refused() -> None:
    talk = Virtual(script=Script(setup_ms=200))
    assert talk.sent == []
    talk.run(0.3)
    assert talk.words() == ["setup_complete"]
    hasty = Virtual(script=Script(setup_ms=200))
    hasty.say(RealtimeText("hello"))
    assert hasty.closed == REFUSED


def test_a_client_that_may_not_come_in_is_refused_at_its_setup() -> None:
    talk = Virtual(setup=None, refusal=Refusal(1007, "API key not valid."))
    talk.run(5)
    assert talk.closed is None
    talk.say(Setup({"model": MODELS["dev"]}))
    assert talk.closed == (1007, "API key not valid.")


def test_a_frame_that_cannot_be_read_closes_with_the_services_words() -> None:
    talk = Virtual()
    talk.frame('{"realtimeInput": {"sound": 1}}')
    code, reason = talk.closed or (0, "")
    assert code == 1007
    assert reason.startswith('Invalid JSON payload received. Unknown name "sound"')


def test_after_the_close_nothing_more_is_done() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.frame("{")
    assert talk.closed is not None
    assert talk.dialogue.deadline(talk.now) is None
    assert talk.dialogue.receive(RealtimeText("hello"), now=talk.now + 1) == []
    assert talk.dialogue.tick(talk.now + 1000) == []


# -- resumption and the end ----------------------------------------------------------------


def test_handles_come_after_the_setup_and_every_turn_and_are_empty_in_between() -> None:
    talk = Virtual(setup={"sessionResumption": {}}, script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(10)
    assert talk.words(without="usage") == [
        "setup_complete",
        "resumption",
        *["audio", "generation_complete", "turn_complete"],
        "resumption",
    ]
    updates = talk.events(SessionResumptionUpdate)
    assert [update.resumable for update in updates] == [True, False, True]
    assert [bool(update.handle) for update in updates] == [True, False, True]
    assert updates[0].handle != updates[2].handle


def test_without_session_resumption_there_are_no_handles() -> None:
    talk = Virtual(script=THREE_SECONDS)
    talk.say(RealtimeText("go"))
    talk.run(10)
    assert talk.events(SessionResumptionUpdate) == []


def test_transparent_resumption_says_how_far_the_client_was_heard() -> None:
    setup = {"sessionResumption": {"transparent": True}}
    talk = Virtual(service="vertex", setup=setup, script=THREE_SECONDS)
    talk.say(RealtimeAudio(bytes(640)))
    talk.say(RealtimeText("go"))
    talk.run(10)
    indexes = [update.last_consumed_index for update in talk.events(SessionResumptionUpdate)]
    assert indexes == [0, None, 2]


def resumed(talk: Virtual, handle: str, later_s: float, **options: Any) -> Virtual:
    return Virtual(
        setup={"sessionResumption": {"handle": handle}},
        handles=talk.house.handles,
        start=talk.now + later_s,
        **options,
    )


def test_a_handle_brings_the_conversation_back() -> None:
    talk = Virtual(setup={"sessionResumption": {}})
    talk.user_says(f"Remember the word {WORD}")
    talk.run(20)
    handle = talk.events(SessionResumptionUpdate)[-1].handle
    talk.dialogue.end(talk.now)
    again = resumed(talk, handle, 7199)
    again.user_says("What was the word?")
    again.run(20)
    assert again.text() == f"The word was {WORD}."
    assert resumed(talk, handle, 7201).closed == (1008, NOT_FOUND)


def test_an_old_handle_brings_back_what_was_known_when_it_was_given() -> None:
    talk = Virtual(setup={"sessionResumption": {}})
    first = talk.events(SessionResumptionUpdate)[0].handle
    talk.user_says(f"Remember the word {WORD}")
    talk.run(20)
    again = resumed(talk, first, 1)
    assert again.dialogue.memory.turns == ()


def test_a_dead_handle_is_not_found() -> None:
    talk = Virtual(setup={"sessionResumption": {"handle": "nothing"}})
    assert talk.closed == (1008, NOT_FOUND)
    alive = Virtual(setup={"sessionResumption": {}})
    (update,) = alive.events(SessionResumptionUpdate)
    other = resumed(alive, update.handle, 1, model=DEV_31)
    assert other.closed == (1008, NOT_FOUND)


def test_handles_are_bounded_and_the_oldest_go() -> None:
    from random import Random

    handles = Handles(Random(0), most=2)
    memory = Virtual().dialogue.memory
    first, second, third = (handles.issue("dev", "m", memory) for _ in range(3))
    assert handles.redeem(first, "dev", "m", 0) is None
    assert handles.redeem(second, "dev", "m", 0) == handles.redeem(third, "dev", "m", 0) == memory
    handles.left([first, third], good_until=10)
    assert handles.redeem(third, "dev", "m", 11) is None


@pytest.mark.parametrize(
    ("service", "close"),
    [
        ("dev", (1011, "Deadline expired before operation could complete.")),
        ("vertex", (1000, "The operation was cancelled.")),
    ],
)
def test_a_connection_is_announced_to_end_and_ends(service: Any, close: tuple[int, str]) -> None:
    talk = Virtual(service=service)
    talk.run()
    assert talk.events(GoAway) == [GoAway(60.0)]
    assert talk.at(GoAway) == [540.0]
    assert talk.now - talk.start == 600
    assert talk.closed == close


def test_the_end_can_be_set() -> None:
    switches = Switches(connection_life_s=5, go_away_s=0, life_close="aborted")
    talk = Virtual(switches=switches)
    talk.run()
    assert talk.closed == (1008, "The operation was aborted.")
    assert talk.events(GoAway) == []
    endless = Virtual(switches=Switches(connection_life_s=0))
    endless.run()
    assert endless.closed is None
    short = Virtual(switches=Switches(connection_life_s=5))
    assert short.words() == ["setup_complete", "go_away"]
    assert short.events(GoAway) == [GoAway(5.0)]


def test_a_client_that_never_sets_up_is_closed_without_a_word() -> None:
    talk = Virtual(setup=None)
    talk.run()
    assert talk.sent == []
    assert talk.closed is not None
    assert talk.now - talk.start == 600


# -- scripts -------------------------------------------------------------------------------


def test_a_rule_answers_a_phrase_or_words_before_the_model_does() -> None:
    rules = (Rule(when="what_time", say="High noon."), Rule(when="blue cheese", say="Yuck."))
    talk = Virtual(script=Script(rules=rules))
    for text in ("What's the time?", "I like Blue Cheese!", "blue cheeses", "Thank you"):
        talk.say(RealtimeText(text))
        talk.run(20)
    heard = talk.text()
    assert heard.startswith("High noon.Yuck.I did not understand that.")
    assert heard.endswith("You are welcome.")


def test_a_script_refuses_the_setup() -> None:
    talk = Virtual(script=Script(refuse=Closing(1011, "Internal error encountered.")))
    assert talk.sent == []
    assert talk.closed == (1011, "Internal error encountered.")


def test_a_script_closes_after_a_time_or_at_a_point_of_a_reply() -> None:
    talk = Virtual(script=Script(close=Closing(1011, "x", at_ms=2500)))
    talk.run()
    assert talk.closed == (1011, "x")
    assert talk.now - talk.start == 2.5
    rule = Rule(tone_ms=3000, closing=Closing(1008, "y", at_ms=1000))
    talk = Virtual(script=Script(rules=(rule,)))
    talk.say(RealtimeText("go"))
    talk.now += 5  # however late the tick
    talk.run()
    assert talk.closed == (1008, "y")
    assert talk.audio_ms() == 1000


def test_without_recognition_any_speech_is_answered_and_no_process_is_asked() -> None:
    talk = Virtual(script=THREE_SECONDS, recognize_s=1000, speak_s=1000)
    talk.user_says("whatever")
    talk.run(5)
    assert talk.audio_ms() == 3000


# -- anything in any order -----------------------------------------------------------------

_texts = st.sampled_from(
    ["Hello", "Stop", "Tell me a joke", "Count to five", "What is the weather in Paris?", ".", "?"]
)
_steps = st.one_of(
    st.floats(0, 3).map(lambda seconds: lambda talk: talk.run(seconds)),
    st.just(lambda talk: talk.user_starts()),
    _texts.map(lambda text: lambda talk: talk.user_ends(text)),
    _texts.map(lambda text: lambda talk: talk.say(RealtimeText(text))),
    st.booleans().map(lambda done: lambda talk: talk.say(user("Thank you", complete=done))),
    st.just(lambda talk: talk.say(AudioStreamEnd())),
    st.just(lambda talk: talk.say(RealtimeVideo(b"\xff\xd8\xff"))),
    st.sampled_from([None, "SILENT", "INTERRUPT", "WHEN_IDLE"]).map(
        lambda scheduling: (
            lambda talk: [
                talk.say(answer(call, {"output": "Yes."}, scheduling=scheduling))
                for call in talk.events(ToolCall)[-1:]
            ]
        )
    ),
    st.just(lambda talk: talk.say(ContextUpdate("Be brief.", None))),
)
_switches = st.builds(
    Switches,
    bundle=st.sampled_from(["auto", "always", "never"]),
    interrupted_order=st.sampled_from(["apart", "same_frame", "reversed"]),
    turn_complete=st.sampled_from(["playback", "at_once", "same_frame"]),
    output_transcript_order=st.sampled_from(["auto", "before", "with", "after"]),
    input_transcript_order=st.sampled_from(["before", "after"]),
    usage_alone=st.booleans(),
    tool_ids=st.booleans(),
    think_ms=st.sampled_from([0, 300]),
    chunk_ms=st.sampled_from([20, 250]),
    connection_life_s=st.just(0.0),
)


@given(
    switches=_switches,
    name=st.sampled_from([MODELS["dev"], DEV_25, DEV_31]),
    interruptible=st.booleans(),
    delays=st.tuples(st.sampled_from([0.0, 0.4]), st.sampled_from([0.0, 0.7])),
    steps=st.lists(_steps, max_size=25),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_said_every_turn_ends_and_nothing_follows_an_interruption(
    switches: Switches,
    name: str,
    interruptible: bool,
    delays: tuple[float, float],
    steps: list[Callable[[Virtual], Any]],
) -> None:
    handling = "START_OF_ACTIVITY_INTERRUPTS" if interruptible else "NO_INTERRUPTION"
    setup = {
        **tools(WEATHER),
        "realtimeInputConfig": {"activityHandling": handling},
        "sessionResumption": {},
        "historyConfig": {"initialHistoryInClientContent": True} if name == DEV_31 else None,
    }
    talk = Virtual(
        model=name, setup=setup, switches=switches, speak_s=delays[0], recognize_s=delays[1]
    )
    for step in steps:
        if talk.closed is None:
            step(talk)
    if talk.closed is None:
        talk.user_ends("Thank you")
        talk.run(300)
    state = turn_state(talk)
    if talk.closed is not None:
        assert talk.closed == REFUSED
    elif state != "idle":
        assert name == DEV_31
        assert talk.words()[-1] in ("tool_call", "transcription"), "parked by its call"
    if talk.closed is None:
        assert talk.dialogue.deadline(talk.now) is None


def turn_state(talk: Virtual) -> str:
    """Walk through all that was sent: turns are opened, filled and closed in order."""
    state = "idle"
    for _, frame in talk.sent:
        for event in frame:
            match event:
                case SessionResumptionUpdate(resumable=False):
                    assert state == "idle", "a turn begins before the last has ended"
                    state = "open"
                case AudioChunk() | Transcription(speaker="model") | ToolCall():
                    assert state == "open", f"{event} in a turn that is {state}"
                case GenerationComplete():
                    assert state == "open", f"generation_complete in a turn that is {state}"
                    state = "generated"
                case Interrupted():
                    assert state != "interrupted", "interrupted twice"
                    state = "idle" if state == "idle" else "interrupted"
                case TurnComplete():
                    assert state != "idle", "turn_complete without a turn"
                    state = "idle"
                case _:
                    pass
    return state


def test_frames_and_values_mean_the_same() -> None:
    written, spoken = Virtual(), Virtual()
    written.frame(json.dumps({"realtime_input": {"text": "Thank you"}}))
    spoken.say(RealtimeText("Thank you"))
    for talk in (written, spoken):
        talk.run(10)
    assert written.sent == spoken.sent
