"""``/v1/models``, and whether a client's choice of model, voice and language is on it.

The catalogue says what is known today; a model it does not know may have come
out tomorrow, so a name of the right form passes and the service decides.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.config import Service
from gateway.errors import ConfigError
from gateway.live.catalog import Catalog, load
from signaling.problems import Problem, quoted

LiveKind = Literal["local", "dev", "vertex", "custom"]

_FUTURE_MODEL = re.compile(r"gemini-[a-z0-9][a-z0-9.-]{0,80}")
_SERVICE_NAMES = {"dev": "the Gemini API", "vertex": "Vertex AI"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the query of ``POST /v1/calls`` asks for; ``None`` is the gateway's default."""

    model: str | None = None
    voice: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ModelsView:
    """The catalogue as clients of one gateway see it.

    ``live`` says where live sessions are opened, ``service`` whose protocol is
    spoken there; ``phrases`` are sentences the far end is known to understand.
    """

    live: LiveKind
    service: Service
    default: Wanted
    phrases: tuple[str, ...] = ()
    catalog: Catalog = field(default_factory=load)

    def document(self) -> dict[str, object]:
        """The body of ``GET /v1/models``."""
        return {
            "live": self.live,
            "default": {
                "model": self.default.model,
                "voice": self.default.voice,
                "language": self.default.language,
            },
            "models": [
                {
                    "id": model.id,
                    "status": model.status,
                    "capabilities": list(model.capabilities),
                }
                for model in self.catalog.models(self.service)
            ],
            "voices": [{"name": voice.name, "style": voice.style} for voice in self.catalog.voices],
            "languages": [
                {"code": language.code, "name": language.name}
                for language in self.catalog.languages
            ],
            "phrases": list(self.phrases),
        }

    def wanted(self, query: Sequence[tuple[str, str]]) -> Wanted:
        """The choice in a query, checked; an empty value counts as none.

        Raises :exc:`Problem`: ``unknown_parameter``, ``unknown_model``,
        ``unknown_voice`` or ``unknown_language``.
        """
        given: dict[str, str] = {}
        for key, value in query:
            if key not in ("model", "voice", "language"):
                detail = f"model, voice and language may be given, not {quoted(key)}."
                raise Problem("unknown_parameter", detail)
            if key in given:
                raise Problem("unknown_parameter", f"{key} may be given once, not twice.")
            given[key] = value
        return Wanted(
            model=self._model(given["model"]) if given.get("model") else None,
            voice=self._voice(given["voice"]) if given.get("voice") else None,
            language=self._language(given["language"]) if given.get("language") else None,
        )

    def _model(self, name: str) -> str:
        bare = name.rpartition("models/")[2]  # the gateway's own project, never another's
        model = self.catalog.find_model(bare)
        if model is None or not (model.is_known or _FUTURE_MODEL.fullmatch(bare)):
            ids = [known.id for known in self.catalog.models(self.service)]
            raise Problem("unknown_model", _nothing_like("model", name, ids))
        if model.is_retired:
            instead = f"; {model.successor} takes its place" if model.successor else ""
            raise Problem("unknown_model", f"{model.id} is retired{instead}.")
        if model.is_known and self.service not in model.services:
            where = " and ".join(_SERVICE_NAMES[service] for service in model.services)
            detail = f"{model.id} is on {where}, not on {_SERVICE_NAMES[self.service]}."
            raise Problem("unknown_model", detail)
        return bare

    def _voice(self, name: str) -> str:
        voice = self.catalog.voice(name)
        if voice is None:
            names = [known.name for known in self.catalog.voices]
            raise Problem("unknown_voice", _nothing_like("voice", name, names))
        return voice.name

    def _language(self, code: str) -> str:
        language = self.catalog.language(code)
        if language is None:
            codes = [known.code for known in self.catalog.languages]
            raise Problem("unknown_language", _nothing_like("language", code, codes))
        return language.code


def models_view(
    *,
    live: LiveKind,
    service: Service,
    model: str,
    voice: str | None = None,
    language: str | None = None,
    phrases: Iterable[str] = (),
) -> ModelsView:
    """The view for one configuration, its defaults checked and spelled as the catalogue does.

    The operator's model may be any (a tuned one, say) but one that is known
    not to be there.  Raises :exc:`~gateway.errors.ConfigError`.
    """
    view = ModelsView(live, service, Wanted(model), tuple(phrases))
    known = load().find_model(model)
    try:
        if known is not None and known.is_known:
            view.wanted([("model", model)])
        chosen = view.wanted([("voice", voice or ""), ("language", language or "")])
    except Problem as problem:
        name = problem.code.removeprefix("unknown_")
        detail = problem.detail.replace("GET /v1/models", "/v1/models of a running gateway")
        raise ConfigError(f"--{name} (LIVEGATE_{name.upper()}): {detail}") from None
    return replace(view, default=replace(chosen, model=model))


def _nothing_like(what: str, name: str, known: Sequence[str]) -> str:
    """A sentence with the closest names, or with where to find them all."""
    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold()[:100], folded, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(folded[near] for near in close)}?" if close else ""
    return f"There is no {what} {quoted(name)}; {hint or 'GET /v1/models lists them.'}"
