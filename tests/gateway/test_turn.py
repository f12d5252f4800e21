"""The turn machine as tables of what happens and what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.turn import (
    CallState,
    SpeechStarted,
    SpeechStopped,
    StateChanged,
    TokenUsage,
    Transcript,
    TurnCompleted,
    TurnEvent,
    TurnInterrupted,
    TurnMachine,
    TurnStarted,
)

pytestmark = pytest.mark.unit

USAGE = TokenUsage(prompt_tokens=10, output_tokens=20, total_tokens=30)


def user(text: str, turn: int, *, final: bool = False, interim: bool = False) -> Transcript:
    return Transcript("user", text, final, interim, turn)


def model(text: str, turn: int, *, final: bool = False) -> Transcript:
    return Transcript("model", text, final, False, turn)


def state(name: str) -> StateChanged:
    return StateChanged(CallState(name))


def listening() -> TurnMachine:
    machine = TurnMachine()
    assert machine.begin(0.0) == [state("listening")]
    return machine


def speaking(machine: TurnMachine, now: float = 3.0) -> TurnMachine:
    """Turn 1 is said and its reply is being played."""
    machine.caller_started()
    machine.caller_stopped(1.0, 1.5)
    machine.model_sounded(1.6)
    machine.playout_started(now)
    return machine


def test_a_turn_from_first_word_to_last_sample() -> None:
    machine = listening()
    assert machine.caller_started() == [SpeechStarted(1)]
    assert machine.caller_stopped(1.0, 1.5) == [SpeechStopped(1), state("thinking")]
    said = machine.user_transcript("What time is it?", finished=True, interim=False)
    assert said == [user("What time is it?", 1, final=True)]
    assert machine.model_sounded(1.6) == [TurnStarted(1), state("speaking")]
    assert machine.playout_started(1.7) == []
    assert machine.model_sounded(1.6) == []
    assert machine.model_transcript("It is", finished=False) == [model("It is", 1)]
    assert machine.model_generated() == [model("", 1, final=True)]
    machine.model_usage(USAGE)
    assert machine.model_turn_complete() == []
    assert machine.playout_drained() == [TurnCompleted(1, 700, USAGE), state("listening")]


def test_turn_complete_after_the_playout_completes_the_turn() -> None:
    machine = speaking(listening())
    machine.model_generated()
    assert machine.playout_drained() == [state("listening")]
    machine.model_usage(USAGE)
    assert machine.model_turn_complete() == [TurnCompleted(1, 2000, USAGE)]


def test_a_turn_closed_before_its_first_sample_was_played_is_not_complete() -> None:
    machine = listening()
    machine.caller_wrote("hello", 0.0)
    machine.model_sounded(1.6)
    machine.model_generated()
    assert machine.model_turn_complete() == []
    assert machine.state is CallState.SPEAKING
    machine.playout_started(0.2)
    assert machine.playout_drained() == [TurnCompleted(1, None, None), state("listening")]


def test_a_reply_of_words_alone_is_complete_when_the_service_says_so() -> None:
    machine = listening()
    machine.caller_wrote("hello", 0.0)
    assert machine.model_transcript("words", finished=False) == []
    assert machine.model_turn_complete() == [
        TurnStarted(1),
        state("speaking"),
        model("words", 1),
        model("", 1, final=True),
        TurnCompleted(1, None, None),
        state("listening"),
    ]


def test_words_that_run_ahead_of_the_sound_are_told_with_it() -> None:
    machine = listening()
    machine.caller_wrote("hello", 0.0)
    assert machine.model_transcript("It is", finished=False) == []
    assert machine.model_sounded(0.1) == [TurnStarted(1), state("speaking"), model("It is", 1)]


def test_words_that_come_late_belong_to_the_reply_that_plays() -> None:
    machine = speaking(listening())
    machine.model_turn_complete()
    assert machine.model_transcript(" evening.", finished=True) == [
        model(" evening.", 1, final=True)
    ]
    assert machine.playout_drained() == [TurnCompleted(1, 2000, None), state("listening")]


def test_words_of_an_interrupted_reply_are_not_those_of_the_next() -> None:
    machine = speaking(listening())
    machine.caller_started()
    machine.model_interrupted(100, 4.0)
    assert machine.model_transcript("unheard", finished=False) == []
    machine.model_turn_complete()
    assert machine.model_sounded(5.0) == [TurnStarted(2), state("speaking")]


def test_a_second_reply_waits_for_the_first_to_be_heard() -> None:
    machine = speaking(listening())
    machine.model_turn_complete()
    assert machine.model_sounded(4.0) == [TurnStarted(2)]
    machine.model_turn_complete()
    assert machine.playout_drained() == [TurnCompleted(1, 2000, None)]
    machine.playout_started(5.0)
    assert machine.playout_drained() == [TurnCompleted(2, None, None), state("listening")]


def test_an_interruption_cuts_the_reply_that_waits_too() -> None:
    machine = speaking(listening())
    machine.model_turn_complete()
    machine.model_sounded(4.0)
    assert machine.caller_interrupted(300, 5.0) == [
        TurnInterrupted(1, 300),
        TurnInterrupted(2, 0),
        state("listening"),
    ]


def test_who_speaks_before_the_greeting_has_turn_two() -> None:
    machine = TurnMachine()
    machine.begin(0.0, greeting=True)
    assert machine.caller_started() == [SpeechStarted(2)]
    assert machine.model_sounded(0.5) == [TurnStarted(1), state("speaking")]
    machine.playout_started(0.5)
    assert machine.caller_stopped(0.9, 1.4) == [SpeechStopped(2)]
    assert machine.model_interrupted(500, 1.5) == [TurnInterrupted(1, 500), state("thinking")]
    machine.model_turn_complete()
    said = machine.user_transcript("hello", finished=True, interim=False)
    assert said == [user("hello", 2, final=True)]
    assert machine.model_sounded(2.0) == [TurnStarted(2), state("speaking")]


def test_what_is_typed_before_the_call_is_up_is_awaited_when_it_is() -> None:
    machine = TurnMachine()
    assert machine.caller_wrote("hello", 0.0) == [user("hello", 1, final=True)]
    assert machine.state is CallState.CONNECTING
    assert machine.begin(9.0) == [state("thinking")]
    assert machine.deadline() == 24.0


def test_a_discarded_reply_that_is_never_closed_does_not_swallow_the_next() -> None:
    machine = speaking(listening())
    machine.caller_interrupted(100, 10.0)
    assert machine.deadline() == 40.0
    machine.tick(40.0)
    assert not machine.discarding
    assert machine.model_sounded(41.0) == [TurnStarted(2), state("speaking")]


def test_a_reply_that_stalls_is_given_up() -> None:
    machine = speaking(listening())
    assert machine.tick(31.0) == []
    assert machine.tick(31.7) == []
    assert machine.is_idle
    assert machine.playout_drained() == [TurnCompleted(1, 2000, None), state("listening")]


def test_content_after_an_interrupt_of_a_whole_reply_is_a_new_reply() -> None:
    machine = speaking(listening())
    machine.model_generated()
    machine.caller_interrupted(100, 4.0)
    assert machine.model_sounded(5.0) == [TurnStarted(2), state("speaking")]


def test_stopping_a_reply_closes_its_transcript() -> None:
    machine = speaking(listening())
    machine.model_transcript("once upon", finished=False)
    assert machine.caller_interrupted(400, 4.0)[:2] == [
        model("", 1, final=True),
        TurnInterrupted(1, 400),
    ]


def test_a_greeting_is_turn_one_without_a_caller() -> None:
    machine = listening()
    assert machine.model_sounded(1.6) == [TurnStarted(1), state("speaking")]
    machine.playout_started(0.5)
    machine.model_turn_complete()
    assert machine.playout_drained() == [TurnCompleted(1, None, None), state("listening")]
    assert machine.caller_started() == [SpeechStarted(2)]


def test_an_interruption_in_mid_reply() -> None:
    machine = speaking(listening())
    assert machine.caller_started() == [SpeechStarted(2)]
    assert machine.model_interrupted(1200, 4.0) == [TurnInterrupted(1, 1200), state("listening")]
    assert machine.model_turn_complete() == []
    said = machine.user_transcript("Stop", finished=True, interim=False)
    assert said == [user("Stop", 2, final=True)]
    machine.caller_stopped(4.0, 4.5)
    assert machine.model_sounded(1.6) == [TurnStarted(2), state("speaking")]


def test_interrupted_after_turn_complete_still_cuts_the_playout() -> None:
    machine = speaking(listening())
    machine.model_generated()
    machine.model_turn_complete()
    assert machine.model_interrupted(800, 4.0) == [TurnInterrupted(1, 800), state("listening")]


def test_interrupted_with_nothing_said_tells_nothing() -> None:
    machine = listening()
    assert machine.model_interrupted(0, 4.0) == []
    assert machine.model_turn_complete() == []


def test_interrupted_before_a_sample_was_played_was_heard_for_zero_milliseconds() -> None:
    machine = listening()
    machine.model_sounded(1.6)
    assert machine.model_interrupted(5000, 4.0) == [TurnInterrupted(1, 0), state("listening")]


def test_a_turn_without_content_is_no_fault() -> None:
    machine = listening()
    machine.caller_started()
    machine.caller_stopped(1.0, 1.5)
    assert machine.model_turn_complete() == []
    assert machine.deadline() == 16.5
    assert machine.tick(16.4) == []
    assert machine.tick(16.5) == [state("listening")]
    assert machine.deadline() is None


def test_what_the_caller_stops_is_discarded_until_the_turn_is_closed() -> None:
    machine = speaking(listening())
    assert machine.caller_interrupted(400, 4.0) == [TurnInterrupted(1, 400), state("listening")]
    assert machine.discarding
    assert machine.model_sounded(1.6) == []
    assert machine.model_transcript("and so", finished=False) == []
    machine.model_turn_complete()
    assert not machine.discarding
    assert machine.model_sounded(1.6) == [TurnStarted(2), state("speaking")]


def test_stopping_a_reply_that_is_whole_discards_nothing_of_the_next() -> None:
    machine = speaking(listening())
    machine.model_generated()
    machine.caller_interrupted(400, 4.0)
    assert not machine.discarding


def test_typed_text_is_the_caller_s_transcript() -> None:
    machine = listening()
    assert machine.caller_wrote("hello", 1.0) == [user("hello", 1, final=True), state("thinking")]
    machine.model_sounded(1.6)
    machine.playout_started(1.3)
    machine.model_turn_complete()
    assert machine.playout_drained()[0] == TurnCompleted(1, None, None)


def test_a_late_transcript_belongs_to_the_turn_that_was_spoken() -> None:
    machine = speaking(listening())
    assert machine.user_transcript("count", finished=False, interim=False) == [user("count", 1)]
    machine.caller_started()  # speaks again, over the reply
    late = machine.user_transcript(" to ten", finished=True, interim=False)
    assert late == [user(" to ten", 1, final=True)]
    machine.model_interrupted(100, 4.0)
    assert machine.user_transcript("stop", finished=True, interim=False) == [
        user("stop", 2, final=True)
    ]


def test_fragments_without_an_end_are_closed_by_the_end_of_the_reply() -> None:
    machine = speaking(listening())
    machine.user_transcript("count", finished=False, interim=False)
    assert machine.model_generated() == [user("", 1, final=True)]
    machine.caller_started()
    machine.model_interrupted(100, 4.0)
    assert machine.user_transcript("stop", finished=False, interim=False) == [user("stop", 2)]


def test_interim_transcripts_are_guesses_about_the_open_turn() -> None:
    machine = listening()
    machine.caller_started()
    guess = machine.user_transcript("wha", finished=False, interim=True)
    assert guess == [user("wha", 1, interim=True)]


def test_audio_after_generation_complete_belongs_to_the_same_reply() -> None:
    machine = speaking(listening())
    machine.model_generated()
    assert machine.model_sounded(1.6) == []
    assert machine.reply_turn == 1


def test_a_reply_that_follows_another_closes_it_even_without_turn_complete() -> None:
    machine = speaking(listening())
    machine.model_generated()
    machine.playout_drained()
    machine.caller_interrupted(0, 4.0)
    assert machine.model_sounded(5.0) == [TurnStarted(2), state("speaking")]


STEPS = [
    lambda m, t: m.caller_started(),
    lambda m, t: m.caller_stopped(t - 0.5, t),
    lambda m, t: m.caller_wrote("text", t),
    lambda m, t: m.caller_interrupted(100, t),
    lambda m, t: m.model_spoke(t),
    lambda m, t: m.model_sounded(t),
    lambda m, t: m.model_transcript("words", finished=False),
    lambda m, t: m.model_transcript("", finished=True),
    lambda m, t: m.user_transcript("words", finished=False, interim=False),
    lambda m, t: m.user_transcript("words", finished=True, interim=False),
    lambda m, t: m.user_transcript("words", finished=False, interim=True),
    lambda m, t: m.model_generated(),
    lambda m, t: m.model_interrupted(100, t),
    lambda m, t: m.model_turn_complete(),
    lambda m, t: m.playout_started(t),
    lambda m, t: m.playout_drained(),
    lambda m, t: m.tick(t),
]


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_in_any_order_turns_open_once_close_once_and_only_count_up(steps: list) -> None:  # type: ignore[type-arg]
    machine = listening()
    told: list[TurnEvent] = []
    for number, step in enumerate(steps):
        told += step(machine, float(number))
    started = [event.turn for event in told if isinstance(event, TurnStarted)]
    closed = [e.turn for e in told if isinstance(e, TurnCompleted | TurnInterrupted)]
    assert started == sorted(set(started))
    assert closed == sorted(set(closed))
    assert set(closed) <= set(started)
    still_open = [turn for turn in started if turn not in closed]
    assert still_open == started[len(started) - len(still_open) :]
    states = [event.state for event in told if isinstance(event, StateChanged)]
    assert all(a != b for a, b in zip(states, states[1:], strict=False))
