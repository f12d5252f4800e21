"""The models, voices and languages of the Live API, as the documentation lists them.

The list ages, so it informs and does not forbid: a model it does not have is
passed on as it is, marked as unknown.  ``catalog.json`` beside this file holds
the facts, each under the words of the documentation.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from dataclasses import dataclass, field
from typing import Any

from gateway.live.endpoint import Service, is_model_name


@dataclass(frozen=True, slots=True)
class Model:
    """A model for live sessions.

    ``status`` is the documentation's word (``ga``, ``preview`` ...), ``retired``
    or ``unknown``.  ``successor`` is the one to use in its place, if it has one.
    """

    id: str
    services: tuple[Service, ...] = ()
    status: str = "unknown"
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    successor: str | None = None

    @property
    def is_known(self) -> bool:
        return self.status != "unknown"

    @property
    def is_retired(self) -> bool:
        return self.status == "retired"


@dataclass(frozen=True, slots=True)
class Voice:
    name: str
    style: str


@dataclass(frozen=True, slots=True)
class Language:
    """``code`` is BCP-47, as in ``en-US``."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """What there is to choose from.  Made by :func:`load`."""

    voices: tuple[Voice, ...]
    languages: tuple[Language, ...]
    retired: tuple[Model, ...]
    _models: tuple[Model, ...] = field(repr=False)
    _defaults: dict[Service, str] = field(repr=False)

    def models(self, service: Service | None = None) -> tuple[Model, ...]:
        """The models a service has, or all; retired ones are not among them."""
        return tuple(
            model for model in self._models if service is None or service in model.services
        )

    def default_model(self, service: Service) -> Model:
        """The model of a call that names none."""
        return next(model for model in self._models if model.id == self._defaults[service])

    def find_model(self, name: str) -> Model | None:
        """The model of a name or alias, with or without the service's prefix.

        A retired model is found with its successor, one that is not listed comes
        back as unknown under the name that was given.  ``None`` is for what
        cannot be the name of a model at all.
        """
        if not is_model_name(name):
            return None
        bare = name.rpartition("models/")[2]
        for model in (*self._models, *self.retired):
            if bare == model.id or bare in model.aliases:
                return model
        return Model(name)

    def voice(self, name: str) -> Voice | None:
        """A voice, whatever the case of the letters; on the wire the case counts."""
        wanted = name.casefold()
        return next((voice for voice in self.voices if voice.name.casefold() == wanted), None)

    def language(self, code: str) -> Language | None:
        """A language by its code, ``en-US`` as well as ``en_us``."""
        wanted = code.replace("_", "-").casefold()
        return next((each for each in self.languages if each.code.casefold() == wanted), None)


@functools.cache
def load() -> Catalog:
    """The catalogue that comes with the gateway."""
    text = importlib.resources.files(__package__).joinpath("catalog.json").read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)
    return Catalog(
        voices=tuple(Voice(name, style) for name, style in facts["voices"].items()),
        languages=tuple(Language(code, name) for code, name in facts["languages"].items()),
        retired=tuple(
            Model(id=name, status="retired", successor=successor)
            for name, successor in facts["retired"].items()
        ),
        _models=tuple(_model(entry) for entry in facts["models"]),
        _defaults=facts["defaults"],
    )


def _model(entry: dict[str, Any]) -> Model:
    return Model(
        id=entry["id"],
        services=tuple(entry["services"]),
        status=entry["status"],
        capabilities=tuple(entry["capabilities"]),
        aliases=tuple(entry.get("aliases", ())),
        successor=entry.get("successor"),
    )
