"""How one service behaves with one model: every ``auto`` of the switches decided.

The generations of models differ in ways no capability list tells: 2.5 sends one thing
per message and the user's transcript in fragments, 3.x bundles and sends it whole; 3.1
takes ``clientContent`` as initial history only.  They are told apart by their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gateway.live.catalog import Model
from gateway.live.local.generation import Pace
from gateway.live.local.outgoing import UsageSpelling
from gateway.live.local.refusal import INTERNAL, POLICY
from gateway.live.local.settings import Behavior, Function, Settings
from gateway.live.local.switches import Switches
from gateway.live.local.tables import Service

_CLOSES = {
    "deadline": (INTERNAL, "Deadline expired before operation could complete."),
    "cancelled": (1000, "The operation was cancelled."),
    "aborted": (POLICY, "The operation was aborted."),
}
HANDLE_LIFE_S: dict[Service, float] = {"dev": 2 * 3600.0, "vertex": 24 * 3600.0}
_BEFORE_3 = ("2.0", "2.5")


@dataclass(frozen=True, slots=True)
class Manners:
    """``generation`` is the model's number (``2.5``), empty when its name has none."""

    service: Service
    model: Model
    switches: Switches

    @property
    def generation(self) -> str:
        found = re.search(r"\d+\.\d+", self.model.id)
        return found[0] if found else ""

    @property
    def is_3(self) -> bool:
        return self.generation not in _BEFORE_3

    @property
    def bundle(self) -> bool:
        """Several things share a ``serverContent``."""
        choice = self.switches.bundle
        return self.is_3 if choice == "auto" else choice == "always"

    @property
    def deltas(self) -> bool:
        """The user's transcript comes in fragments."""
        choice = self.switches.input_transcript
        return not self.is_3 if choice == "auto" else choice == "deltas"

    @property
    def session_id(self) -> bool:
        """``setupComplete`` names the session."""
        choice = self.switches.session_id
        return self.service == "vertex" if choice == "auto" else choice == "always"

    @property
    def handle_life_s(self) -> float:
        return self.switches.handle_life_s or HANDLE_LIFE_S[self.service]

    @property
    def client_content(self) -> Literal["any", "initial", "never"]:
        """When the model takes ``clientContent``."""
        if "s2s_translation" in self.model.capabilities or "transcribe" in self.model.id:
            return "never"
        return "initial" if self.generation == "3.1" else "any"

    @property
    def call_ends_turn(self) -> bool:
        """``turnComplete`` comes right behind a blocking ``toolCall``."""
        return not self.is_3

    def behavior(self, function: Function | None) -> Behavior:
        """Whether the model waits for the answer of ``function``."""
        able = "function_calling_non_blocking" in self.model.capabilities
        if function is not None and function.behavior is not None and able:
            return function.behavior
        return "NON_BLOCKING" if able and self.is_3 else "BLOCKING"

    def pace(self, settings: Settings) -> Pace:
        """How replies are cut and sent in a session of these settings."""
        order = self.switches.output_transcript_order
        if order == "auto":
            order = "before" if self.service == "vertex" else "with"
        return Pace(
            chunk_ms=self.switches.chunk_ms,
            chunk_spread=self.switches.chunk_spread,
            burst_factor=self.switches.burst_factor,
            transcribe=settings.output_transcription,
            transcript=order,
            bundle=self.bundle,
            sound=settings.modality == "AUDIO",
        )


def life_close(service: Service, switches: Switches) -> tuple[int, str]:
    """Code and reason of the close at the end of a connection's life."""
    choice = switches.life_close
    if choice == "auto":
        choice = "deadline" if service == "dev" else "cancelled"
    return _CLOSES[choice]


def usage_spelling(service: Service, switches: Switches) -> UsageSpelling:
    """How token counts are spelt, or ``none``."""
    return service if switches.usage == "auto" else switches.usage
