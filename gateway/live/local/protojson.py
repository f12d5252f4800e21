"""Strict proto3-JSON: a frame is walked along the tables of ``wire``.

The service is generous in spelling and strict in everything else.  Taken are camelCase
and snake_case mixed, either base64 alphabet, a lone value where a list may stand, and
``null`` for absent; anything else ends in a :exc:`Refusal` in the service's own words.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.live.local.refusal import INVALID_DATA, Refusal
from gateway.live.local.tables import (
    ANY_CASE,
    BY_NAME,
    ENUMS,
    MESSAGES,
    ONEOFS,
    ROOT,
    SCALARS,
    Field,
    Service,
)

MAX_DEPTH = 100  # protobuf's own limit

_PACKAGES = {
    "dev": "google.ai.generativelanguage.v1beta",
    "vertex": "google.cloud.aiplatform.v1beta1",
}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_URL_SAFE = str.maketrans("-_", "+/")
_INTEGERS = {"int32": 2**31, "int64": 2**63}


def read(
    frame: str | bytes,
    service: Service,
    *,
    strict: bool = True,
    absent: Set[str] = frozenset(),
) -> dict[str, Any]:
    """The message of ``frame`` with names in camelCase and ``bytes`` decoded.

    ``strict`` off passes over names the service does not know; ``absent`` holds fields
    (``"Message.field"``) it is not to know.  Raises :exc:`Refusal`, and nothing else,
    for whatever cannot be a client message.
    """
    return _Reader(service, strict, absent).message(_json(frame), ROOT, "")


def _json(frame: str | bytes) -> Any:
    try:
        text = frame if isinstance(frame, str) else frame.decode()
        document = _DECODER.decode(text)
        if "\\u" in text:  # half a surrogate pair can be escaped, but is not text
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(INVALID_DATA, "Invalid JSON payload received. Unexpected token.") from None
    if not isinstance(document, dict):
        _refuse("Invalid JSON payload received. Root element must be a message.")
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(document) > MAX_DEPTH:
        _refuse("Invalid JSON payload received. Message too deep.")
    return document


def _depth(document: Any) -> int:
    """How deep objects and lists are nested."""
    depth, level = 0, [document]
    while level:
        depth += 1
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return depth


def _refuse(reason: str) -> NoReturn:
    raise Refusal(INVALID_DATA, reason)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Walks a JSON value along the tables; ``path`` is where it is, in snake_case."""

    service: Service
    strict: bool
    absent: Set[str]

    def message(self, value: Any, kind: str, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._invalid(value, path, f"type.googleapis.com/{_PACKAGES[self.service]}.{kind}")
        fields = BY_NAME[kind]
        read: dict[str, Any] = {}
        for name, content in value.items():
            field = fields.get(name)
            if field is None or not self._has(kind, field):
                if self.strict:
                    self._unknown(name, path, "Cannot find field.")
            elif content is not None:
                below = f"{path}.{field.snake}" if path else field.snake
                read[field.name] = self._field(content, field, path, below)
        self._check_oneof(read, kind, path)
        return read

    def _has(self, kind: str, field: Field) -> bool:
        here = field.service in (None, self.service)
        return here and f"{kind}.{field.name}" not in self.absent

    def _field(self, value: Any, field: Field, path: str, below: str) -> Any:
        match field.many:
            case "list":
                values = value if isinstance(value, list) else [value]
                return [
                    self._value(item, field.type, f"{below}[{index}]")
                    for index, item in enumerate(values)
                ]
            case "map":
                if not isinstance(value, dict):
                    self._invalid(value, below, "Map")
                return {
                    key: self._value(item, field.type, f"{below}[{index}].value")
                    for index, (key, item) in enumerate(value.items())
                }
            case "one":
                if isinstance(value, list) and field.type not in ("any",):
                    why = "Proto field is not repeating, cannot start list."
                    self._unknown(field.snake, path, why)
                return self._value(value, field.type, below)

    def _value(self, value: Any, kind: str, path: str) -> Any:
        if kind in MESSAGES:
            return self.message(value, kind, path)
        if kind in ENUMS:
            return self._enum(value, kind, path)
        assert kind in SCALARS, f"wire.py names a type that is not there: {kind}"
        if kind == "any":
            return value
        if kind == "struct":
            return value if isinstance(value, dict) else self._invalid(value, path, "Struct")
        if kind == "bool":
            return value if isinstance(value, bool) else self._invalid(value, path, "TYPE_BOOL")
        if kind in _INTEGERS:
            return self._integer(value, kind, path)
        if kind == "float":
            return self._float(value, path)
        if not isinstance(value, str):
            self._invalid(value, path, "TYPE_BYTES" if kind == "bytes" else "TYPE_STRING")
        if kind == "bytes":
            return self._bytes(value, path)
        if kind == "duration" and not _DURATION.fullmatch(value):
            self._invalid(value, path, "type.googleapis.com/google.protobuf.Duration")
        if kind == "timestamp" and not _TIMESTAMP.fullmatch(value):
            self._invalid(value, path, "type.googleapis.com/google.protobuf.Timestamp")
        return value

    def _enum(self, value: Any, kind: str, path: str) -> str:
        names = ENUMS[kind]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        if isinstance(value, str):
            name = value.upper() if kind in ANY_CASE else value
            if name in names:
                return name
        self._invalid(value, path, f"type.googleapis.com/{_PACKAGES[self.service]}.{kind}")

    def _integer(self, value: Any, kind: str, path: str) -> int:
        number = value
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
            number = int(value)
        elif isinstance(value, float) and value.is_integer():
            number = int(value)
        limit = _INTEGERS[kind]
        if not isinstance(number, int) or isinstance(number, bool):
            self._invalid(value, path, f"TYPE_{kind.upper()}")
        if not -limit <= number < limit:
            self._invalid(value, path, f"TYPE_{kind.upper()}")
        return number

    def _float(self, value: Any, path: str) -> float:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                return number
        self._invalid(value, path, "TYPE_FLOAT")

    def _bytes(self, value: str, path: str) -> bytes:
        text = value.translate(_URL_SAFE) if "-" in value or "_" in value else value
        try:
            return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
        except ValueError:
            self._invalid(value[:16], path, "TYPE_BYTES")

    def _check_oneof(self, message: dict[str, Any], kind: str, path: str) -> None:
        if kind not in ONEOFS:
            return
        name, members = ONEOFS[kind]
        given = [field for field in message if members is None or field in members]
        if len(given) > 1:
            _refuse(
                f"Invalid value{_at(path)} (oneof), oneof field '{name}' is already set. "
                f"Cannot set '{given[1]}'"
            )

    def _unknown(self, name: str, path: str, why: str) -> NoReturn:
        _refuse(f"Invalid JSON payload received. Unknown name {json.dumps(name)}{_at(path)}: {why}")

    def _invalid(self, value: Any, path: str, kind: str) -> NoReturn:
        shown = json.dumps(value)[:80] if isinstance(value, str | int | float | bool) else "{}"
        _refuse(f"Invalid value{_at(path)} ({kind}), {shown}")


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""
