"""What a test wants to hear: rules that answer before the model does.

    Script(rules=(Rule(when="what_time", say="High noon."),))
    Script.tones(3000)                      # a three-second tone to everything
    Script(rules=(Rule(closing=Closing(1011, "Internal error encountered.", at_ms=500)),))

The first rule that fits answers.  With ``recognize`` and ``speak`` off, no other process
is started: speech is noticed and not understood, sentences are spoken as tones.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.live.local.phrases import Heard, normalize
from gateway.live.local.reply import Call, Closing, Reply, Sentence


@dataclass(frozen=True, slots=True)
class Rule:
    """An answer to ``when``: ``*`` (anything), the id of a phrase, or words that were said.

    The answer is a tone of ``tone_ms`` if that is given, then what there is to ``say``,
    then ``calls``; it begins ``delay_ms`` after the model knows what was said.
    ``closing`` ends the connection at some point of it.
    """

    when: str = "*"
    say: str = ""
    tone_ms: int = 0
    tone_hz: float = 440.0
    delay_ms: int = 0
    calls: tuple[Call, ...] = ()
    closing: Closing | None = None

    def fits(self, heard: Heard) -> bool:
        """Whether this is the answer to ``heard``."""
        words = f" {normalize(self.when)} "
        return self.when in ("*", heard.phrase) or (
            bool(words.strip()) and words in f" {normalize(heard.text)} "
        )

    @property
    def reply(self) -> Reply:
        tones = (Sentence("", tone_ms=self.tone_ms, tone_hz=self.tone_hz),) if self.tone_ms else ()
        says = (Sentence(self.say),) if self.say else ()
        return Reply((*tones, *says), self.calls, self.delay_ms, self.closing)


@dataclass(frozen=True, slots=True)
class Script:
    """``refuse`` closes instead of completing the setup, which takes ``setup_ms``;
    ``close`` ends the connection ``at_ms`` after that."""

    rules: tuple[Rule, ...] = ()
    recognize: bool = True
    speak: bool = True
    refuse: Closing | None = None
    setup_ms: int = 0
    close: Closing | None = None

    @classmethod
    def tones(cls, tone_ms: int, tone_hz: float = 440.0) -> Script:
        """The same tone in answer to everything, and no process besides the server's."""
        rule = Rule(tone_ms=tone_ms, tone_hz=tone_hz)
        return cls(rules=(rule,), recognize=False, speak=False)

    def reply(self, heard: Heard) -> Reply | None:
        """The answer of the first rule that fits."""
        return next((rule.reply for rule in self.rules if rule.fits(heard)), None)
