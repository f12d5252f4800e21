"""The frames in ``tests/data/live``: what the documentation, the SDK and captures show."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "data" / "live"
SERVER_NAMES = sorted(path.stem for path in FOLDER.glob("server-*.json"))


def server_frame(name: str) -> bytes:
    return (FOLDER / f"server-{name}.json").read_bytes()


def client_message(name: str) -> Any:
    """A captured client message in one spelling: lowerCamelCase and standard base64."""
    return _canonical(json.loads((FOLDER / f"client-{name}.json").read_text()))


def _canonical(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {_camel(key): _canonical(inner, key) for key, inner in value.items()}
        case list():
            return [_canonical(inner) for inner in value]
        case str() if name == "data":
            return base64.b64encode(base64.urlsafe_b64decode(value)).decode()
        case _:
            return value


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
