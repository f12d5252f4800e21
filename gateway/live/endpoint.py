"""Where live sessions are opened, and how that place spells the names of models.

The Live API is served by the Gemini Developer API (``"dev"``) and by Vertex AI
(``"vertex"``), under different hosts, paths and model names.  An
:class:`Endpoint` is one such place as a value.  ``base_url`` points it
elsewhere, at a local server or a proxy, without changing its shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from gateway.errors import ConfigError, LiveRefused

Service = Literal["dev", "vertex"]

DEFAULT_VERSIONS: dict[Service, str] = {"dev": "v1beta", "vertex": "v1beta1"}
MULTI_REGIONS = frozenset({"us", "eu"})

_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]*)?")
_LOCATION = re.compile(r"[a-z][a-z0-9-]*")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")  # `example.com:name` is an older form
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]*(/[A-Za-z0-9][A-Za-z0-9._@:-]*)*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that serves the Live API.

    ``version`` is that of the API, by default ``v1beta`` (dev) or ``v1beta1``
    (vertex).  Vertex AI takes a ``project`` and a ``location``: a region, a
    multi-region (``us``, ``eu``) or ``global``; with no project it is in express
    mode, which goes with an API key and ``global``.

    Raises :exc:`ConfigError` when one of them cannot be what it should.
    """

    service: Service = "dev"
    version: str | None = None
    project: str | None = None
    location: str | None = None
    base_url: str | None = None

    def __post_init__(self) -> None:
        _check("version of the API", self.version, _VERSION, "like v1beta")
        _check("project", self.project, _PROJECT, "like my-project-123")
        _check("location", self.location, _LOCATION, "like us-central1, eu or global")
        if self.service == "vertex" and self.project and not self.location:
            raise ConfigError("Vertex AI with a project needs a location, like us-central1.")
        if self.base_url is not None:
            parts = _split(self.base_url)
            if parts.scheme not in ("ws", "wss") or not parts.hostname:
                raise ConfigError("The Live service needs an address like wss://host:port.")

    @property
    def url(self) -> str:
        """The WebSocket URL.  A ``base_url`` with a path of its own is used as it is."""
        if self.base_url is None:
            return f"wss://{self._google_host}{self._path}"
        parts = _split(self.base_url)
        if parts.path not in ("", "/"):
            return self.base_url
        return urlunsplit(parts._replace(path=self._path))

    @property
    def host(self) -> str:
        """Host, and port if not the scheme's own: fit for messages, as it holds no secret."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return host if parts.port is None else f"{host}:{parts.port}"

    def model_path(self, model: str) -> str:
        """The name of a model in ``setup``.

        Bare names get the service's prefix, qualified ones are kept, and Vertex
        AI's shorthand ``publisher/model`` is spelt out.

        Raises :exc:`LiveRefused` for what cannot be a model's name.
        """
        if not is_model_name(model):
            raise LiveRefused(f"{model[:80]!r} is not the name of a model.")
        if self.service == "dev":
            return model if "/" in model else f"models/{model}"
        match model.removeprefix("models/").split("/"):
            case ["projects", *_]:
                return model
            case ["publishers", *_]:
                path = model
            case [name]:
                path = f"publishers/google/models/{name}"
            case [publisher, name]:
                path = f"publishers/{publisher}/models/{name}"
            case _:
                raise LiveRefused(f"{model[:80]!r} is not the name of a model on Vertex AI.")
        if self.project is None:
            return path
        return f"projects/{self.project}/locations/{self.location}/{path}"

    @property
    def _google_host(self) -> str:
        if self.service == "dev":
            return "generativelanguage.googleapis.com"
        location = self.location or "global"
        if location == "global":
            return "aiplatform.googleapis.com"
        if location in MULTI_REGIONS:
            return f"aiplatform.{location}.rep.googleapis.com"
        return f"{location}-aiplatform.googleapis.com"

    @property
    def _path(self) -> str:
        version = self.version or DEFAULT_VERSIONS[self.service]
        # A slash before the method on Vertex AI, a dot on the Developer API.
        if self.service == "vertex":
            return f"/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent"
        return f"/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"


def is_model_name(name: str) -> bool:
    """Whether this can be the name of a model, bare or qualified, on either service."""
    return len(name) <= 512 and ".." not in name and _MODEL.fullmatch(name) is not None


def _check(what: str, value: str | None, pattern: re.Pattern[str], form: str) -> None:
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(f"The {what} must be {form}, not {value[:80]!r}.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked on access
    except ValueError as error:
        raise ConfigError(f"The address of the Live service cannot be read: {error}.") from None
    return parts
