"""Who knocks, and at which door: the path of the request and the credentials in it.

Vertex has a slash before the method, the Developer API a dot, and clients send either
with doubled slashes.  A bad key does not fail the Developer API's HTTP upgrade: the
socket opens and closes with 1007.  Vertex answers 401.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from gateway.live.local.rules import Place

BAD_KEY = "API key not valid. Please pass a valid API key."
QUOTA = "You exceeded your current quota, please check your plan and billing details."

_VERSION = r"(?P<version>v1|v1alpha|v1beta|v1beta1)"
_DEV = re.compile(
    rf"/ws/google\.ai\.generativelanguage\.{_VERSION}\.GenerativeService"
    r"\.BidiGenerateContent(?:Constrained)?"
)
_VERTEX = re.compile(
    rf"/ws/google\.cloud\.aiplatform\.{_VERSION}\.LlmBidiService/BidiGenerateContent"
)


def find_place(target: str) -> Place | None:
    """The service and version a request target stands for, ``None`` if none."""
    path = re.sub("/+", "/", target.partition("?")[0])
    if match := _DEV.fullmatch(path):
        return Place("dev", match["version"])
    if match := _VERTEX.fullmatch(path):
        return Place("vertex", match["version"])
    return None


def credential(target: str, headers: Mapping[str, str]) -> str:
    """The key or token of a request, empty if there is none.

    Looked for in ``Authorization`` (``Bearer`` or ``Token``), ``x-goog-api-key``, and the
    query (``access_token``, ``key``).
    """
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token") and token.strip():
        return token.strip()
    if key := headers.get("x-goog-api-key", "").strip():
        return key
    try:
        query = parse_qs(urlsplit(target).query)
    except ValueError:
        return ""
    return (query.get("access_token") or query.get("key") or [""])[0]
