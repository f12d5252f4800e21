"""Reading proto3-JSON: checked values out of an object that anyone may have sent.

The Live API is a protobuf in JSON clothes: names come in lowerCamelCase or
snake_case, ``int64`` as string or number, ``bytes`` in either base64 alphabet,
durations as ``"9.5s"``, and ``null`` means "not there".  A :class:`Fields` is
one such object.  Each reading method *takes* its field, so that what is left
at the end is what nobody knew.

Every fault is a :exc:`RemoteProtocolError` that says where, and never what was
there: the content may be a caller's words.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.errors import RemoteProtocolError


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_DURATION = re.compile(r"(-?\d{1,12}(?:\.\d{1,9})?)s", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")
_INT64 = 2**63
_DEPTH_LIMIT = 100
_NAME_LIMIT = 64  # characters of a foreign name that are repeated in a message
_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


def parse_object(frame: str | bytes) -> dict[str, Any]:
    """The JSON object in a text frame, or in a binary one holding UTF-8.

    Raises :exc:`RemoteProtocolError`.
    """
    try:
        text = frame if isinstance(frame, str) else frame.decode()
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("The frame is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"The frame must be an object, not this {_kind(value)}.")
    return value


class Fields:
    """The fields of one JSON object at ``path``; fields that are ``null`` are not there."""

    __slots__ = ("_all", "_path", "_values")

    def __init__(
        self, values: dict[str, Any], path: str = "", family: list[Fields] | None = None
    ) -> None:
        self._values = {_camel(name): value for name, value in values.items() if value is not None}
        self._path = path
        self._all = [] if family is None else family
        self._all.append(self)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def ignore(self, *names: str) -> None:
        """These are known and have no use here."""
        for name in names:
            self._values.pop(name, None)

    def leave(self, name: str) -> None:
        """This was taken and has a value nobody knows."""
        self._values[name] = ...

    def unknown(self) -> list[str]:
        """The paths of what was not taken, in this object and all that were read from it."""
        return [fields.at(name) for fields in self._all for name in fields._values]

    def at(self, name: str) -> str:
        """The path of a field, in ASCII and of a sane length whatever its name."""
        if len(name) > _NAME_LIMIT or not (name.isascii() and name.isidentifier()):
            name = ascii(name[:_NAME_LIMIT])
        return f"{self._path}.{name}" if self._path else name

    # -- one field each ----------------------------------------------------------------

    def object(self, name: str) -> Fields | None:
        value = self._values.pop(name, None)
        if value is None:
            return None
        return self._child(value, self.at(name))

    def objects(self, name: str) -> Iterator[Fields]:
        path = self.at(name)
        for index, value in enumerate(self._array(name)):
            yield self._child(value, f"{path}[{index}]")

    def plain(self, name: str) -> dict[str, Any] | None:
        """An object whose inside is not for this protocol to read: taken as it is."""
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, dict):
            self._fault(name, "an object", value)
        return None if value is None else dict(_scrub(value))

    def strings(self, name: str) -> tuple[str, ...]:
        values = self._array(name)
        for value in values:
            if not isinstance(value, str):
                self._fault(name, "an array of strings", value)
        return tuple(_scrub(value) for value in values)

    def string(self, name: str) -> str | None:
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, str):
            self._fault(name, "a string", value)
        return None if value is None else str(_scrub(value))

    def enum(self, name: str) -> str | None:
        """An enumerator, known or not; proto3-JSON also takes its number."""
        value = self._values.pop(name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value) if abs(value) < _INT64 else self._fault(name, "an enumerator", value)
        if value is not None and not isinstance(value, str):
            self._fault(name, "an enumerator", value)
        return None if value is None else str(_scrub(value))

    def flag(self, name: str) -> bool:
        """A boolean, in quotes or not; ``False`` if it is not there."""
        value = self._values.pop(name, False)
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            self._fault(name, "a boolean", value)
        return value

    def integer(self, name: str) -> int | None:
        """``int32`` or ``int64``: a whole number, or a string of digits."""
        value = self._values.pop(name, None)
        match value:
            case None:
                return None
            case bool():
                pass
            case int() if -_INT64 <= value < _INT64:
                return value
            case float() if value.is_integer() and abs(value) < _INT64:
                return int(value)
            case str() if _INTEGER.fullmatch(value):
                return int(value)
        self._fault(name, "a whole number", value)

    def duration_s(self, name: str) -> float | None:
        """Seconds, from ``"9.5s"``; a bare number is taken for seconds too."""
        value = self._values.pop(name, None)
        match value:
            case None:
                return None
            case bool():
                pass
            case int() | float() if abs(value) < _INT64:
                return float(value)
            case str() if found := _DURATION.fullmatch(value):
                return float(found[1])
        self._fault(name, "a duration", value)

    def blob(self, name: str) -> bytes:
        """Bytes, from base64 in either alphabet, padded or not."""
        value = self._values.pop(name, "")
        if not isinstance(value, str):
            self._fault(name, "base64", value)
        if "-" in value or "_" in value:
            value = value.translate(_URL_SAFE)
        if missing := -len(value) % 4:
            value += "=" * missing
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:  # binascii.Error is one
            raise RemoteProtocolError(f"{self.at(name)} is not base64.") from None

    # -- inside ------------------------------------------------------------------------

    def _child(self, value: Any, path: str) -> Fields:
        if not isinstance(value, dict):
            raise RemoteProtocolError(f"{path} must be an object, not this {_kind(value)}.")
        return Fields(value, path, self._all)

    def _array(self, name: str) -> list[Any]:
        value = self._values.pop(name, [])
        if not isinstance(value, list):
            self._fault(name, "an array", value)
        return value

    def _fault(self, name: str, wanted: str, value: Any) -> NoReturn:
        raise RemoteProtocolError(f"{self.at(name)} must be {wanted}, not this {_kind(value)}.")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "number")


def _camel(name: str) -> str:
    if "_" not in name:
        return name
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def _scrub(value: Any, depth: int = 0) -> Any:
    """Half a surrogate pair, which JSON can escape and UTF-8 cannot hold, becomes ``?``."""
    if depth > _DEPTH_LIMIT:
        raise RemoteProtocolError("The frame is nested too deeply.")
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {_scrub(name): _scrub(inner, depth + 1) for name, inner in value.items()}
        case list():
            return [_scrub(inner, depth + 1) for inner in value]
        case _:
            return value
