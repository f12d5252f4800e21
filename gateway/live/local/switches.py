"""What is not known of the service, and what a test wants to turn: named settings.

Wherever the documentation is silent or reports differ, the local server does one thing
by default and another on request.  A client that must work with the real service is
tried against both.  ``Switches()`` is the service as it is believed to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gateway.errors import ConfigError
from gateway.live.local.tables import Service

_SAYS, _LEAST = "says", "least"


def _switch(default: Any, says: str, *, least: float = 0) -> Any:
    """A setting, the sentence that explains it, and the least a number may be."""
    return field(default=default, metadata={_SAYS: says, _LEAST: least})


@dataclass(frozen=True, slots=True)
class Switches:
    """Every switch with its default; ``described()`` has a sentence for each.

    Raises :exc:`ConfigError` when a number is out of its range.
    """

    # -- frames
    frame_type: Literal["binary", "text"] = _switch(
        "binary", "WebSocket frame type of what the server says"
    )
    accept_binary: bool = _switch(True, "take binary frames from clients as if they were text")
    empty_frames_every: int = _switch(0, "send an empty {} before every n-th frame; 0 is never")
    deflate: bool = _switch(False, "accept permessage-deflate when it is offered")
    ping_s: float = _switch(0.0, "seconds between the server's own pings; 0 is none")
    max_message_bytes: int = _switch(
        16 * 2**20, "largest message taken from a client; more closes with 1009", least=1
    )

    # -- who may come in, and for how long
    api_keys: tuple[str, ...] = _switch(
        (), "keys and tokens accepted, separated by commas; none means any, and none at all"
    )
    max_sessions: int = _switch(
        0, "live sessions open at once, the next gets a quota close; 0 is no limit"
    )
    quota_code: int = _switch(1011, "close code that carries the quota text", least=1000)
    connection_life_s: float = _switch(
        600.0, "seconds until the server closes a connection; 0 is never"
    )
    go_away_s: float = _switch(60.0, "seconds before that at which goAway is sent; 0 is not at all")
    life_close: Literal["auto", "deadline", "cancelled", "aborted"] = _switch(
        "auto",
        "how it closes then: 1011 deadline (dev), 1000 cancelled (vertex) or 1008 aborted",
    )
    handle_life_s: float = _switch(
        0.0,
        "seconds a resumption handle lives after its connection; 0 is 2 h on dev, 24 h on vertex",
    )

    # -- what is accepted
    strict: bool = _switch(True, "close with 1007 over names the service does not know")
    check_model: bool = _switch(True, "close with 1008 over models the catalogue does not have")
    several_inputs: bool = _switch(True, "take several fields in one realtimeInput")
    vertex_realtime_text: bool = _switch(True, "take realtimeInput.text on Vertex")
    vertex_history_config: bool = _switch(False, "take setup.historyConfig on Vertex")
    vertex_labels: bool = _switch(True, "take setup.labels on Vertex")
    vertex_non_blocking: bool = _switch(True, "take behavior and scheduling of functions on Vertex")
    vertex_transcription_options: bool = _switch(
        True, "take fields inside the transcription configs on Vertex, not only {}"
    )
    vertex_modality: Literal["AUDIO", "TEXT"] = _switch(
        "AUDIO", "modality on Vertex when the setup names none"
    )

    # -- detection of speech
    silence_ms: int = _switch(500, "silenceDurationMs when the setup names none")
    prefix_ms: int = _switch(60, "prefixPaddingMs when the setup names none (Vertex documents 0)")

    # -- sound
    chunk_ms: int = _switch(40, "mean length of an audio chunk", least=1)
    chunk_spread: float = _switch(
        0.5, "how far chunk lengths stray from the mean, as a share of it; 0 is all the same"
    )
    burst_factor: float = _switch(
        4.0, "audio is sent this many times faster than it plays", least=0.1
    )
    think_ms: int = _switch(0, "time from the end of speech to the reply, besides what it takes")

    # -- shape and order of a reply
    bundle: Literal["auto", "always", "never"] = _switch(
        "auto", "several things in one serverContent: auto is on 3.x models, not on 2.5"
    )
    input_transcript: Literal["auto", "deltas", "final"] = _switch(
        "auto", "inputTranscription in fragments or as one text: auto is deltas on 2.5 models"
    )
    input_transcript_order: Literal["before", "after"] = _switch(
        "before", "inputTranscription before the first audio of the reply or after it"
    )
    output_transcript_order: Literal["auto", "before", "with", "after"] = _switch(
        "auto", "outputTranscription ahead of its audio, in step or behind: auto is ahead on Vertex"
    )
    transcript_finished: bool = _switch(False, "close transcriptions with finished: true")
    turn_complete: Literal["playback", "at_once", "same_frame"] = _switch(
        "playback",
        "turnComplete when the audio can have been played, at its end, or in its last frame",
    )
    interrupted_order: Literal["apart", "same_frame", "reversed"] = _switch(
        "apart", "interrupted then turnComplete, both in one frame, or turnComplete first"
    )
    usage: Literal["auto", "dev", "vertex", "none"] = _switch(
        "auto", "spelling of usageMetadata: auto is the service's of the path"
    )
    usage_alone: bool = _switch(False, "usageMetadata in a frame of its own")
    session_id: Literal["auto", "always", "never"] = _switch(
        "auto", "setupComplete.sessionId: auto is on Vertex"
    )
    tool_ids: bool = _switch(True, "functionCalls carry ids")
    unresumable_updates: bool = _switch(
        True, "sessionResumptionUpdate with resumable: false while a reply is made"
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and not (math.isfinite(value) and value >= item.metadata[_LEAST]):
                least = item.metadata[_LEAST]
                raise ConfigError(f"switch {item.name} must be {least} or more, not {value}")

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Switches:
        """Read ``name=value`` pairs, as ``livegate live --switch`` takes them.

        Raises :exc:`ConfigError`, which names the switch and the form expected.
        """
        known = {item.name: item for item in fields(cls)}
        hints = get_type_hints(cls)
        values: dict[str, Any] = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            name = name.strip().replace("-", "_")
            if name not in known:
                raise ConfigError(f"no switch is called {name!r}; there are: {', '.join(known)}")
            if not equals:
                raise ConfigError(f"switch {name} needs a value: {name}={_form(hints[name])}")
            values[name] = _parse(name, value.strip(), hints[name])
        return cls(**values)

    @classmethod
    def described(cls) -> Iterator[tuple[str, str, str, str]]:
        """Name, form, default and sentence of each switch, for a help text."""
        hints = get_type_hints(cls)
        for item in fields(cls):
            yield item.name, _form(hints[item.name]), _shown(item), item.metadata[_SAYS]

    def absent(self, service: Service) -> frozenset[str]:
        """Fields (``"Message.field"``) that ``service`` is made not to know."""
        if service == "dev":
            return frozenset()
        transcription = (
            "languageCodes customVocabulary wordTimestamp diarization mode sourceText "
            "languageHints languageAuto adaptationPhrases"
        )
        gone = {
            "BidiGenerateContentRealtimeInput.text": not self.vertex_realtime_text,
            "BidiGenerateContentSetup.historyConfig": not self.vertex_history_config,
            "BidiGenerateContentSetup.labels": not self.vertex_labels,
            "FunctionDeclaration.behavior": not self.vertex_non_blocking,
            "FunctionResponse.scheduling": not self.vertex_non_blocking,
        }
        for name in transcription.split():
            gone[f"AudioTranscriptionConfig.{name}"] = not self.vertex_transcription_options
        return frozenset(name for name, is_gone in gone.items() if is_gone)


def _form(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "|".join(get_args(hint))
    return {bool: "true|false", int: "whole number", float: "number"}.get(
        hint, "words, with commas"
    )


def _shown(item: Field[Any]) -> str:
    default = item.default
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def _parse(name: str, value: str, hint: Any) -> Any:
    try:
        if get_origin(hint) is Literal:
            return get_args(hint)[get_args(hint).index(value)]
        if hint is bool:
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        if hint is int:
            return int(value)
        if hint is float:
            return float(value)
        return tuple(word.strip() for word in value.split(",") if word.strip())
    except (ValueError, KeyError):
        raise ConfigError(f"switch {name} must be {_form(hint)}, not {value!r}") from None
