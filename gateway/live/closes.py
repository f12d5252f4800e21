"""Why the service ended it: one table from close codes and reason texts to errors and remedies.

The Live API has no error message: it closes the WebSocket with a code and a
reason cut at 123 bytes, or refuses the upgrade with an HTTP status.  Each row
of the tables below says what that means in plain words and what may help.  The
first row that fits holds; a reason fits when it contains the row's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.errors import LiveClosed, LiveError, LiveRefused, LiveUnauthorized, LiveUnreachable

_REASON_LIMIT = 200  # characters of the service's text that are repeated


class Remedy(Enum):
    """What may help after a live session has ended."""

    RESUME = "resume"  # open another with the newest handle
    BACK_OFF = "back_off"  # wait a little, then as above; fresh if that fails too
    FRESH = "fresh"  # open another without a handle
    FATAL = "fatal"  # nothing, until credentials, settings or a quota change


class Meaning(NamedTuple):
    """``error`` is what it is before setup_complete; after it, it is :exc:`LiveClosed`."""

    error: type[LiveError]
    remedy: Remedy
    words: str

    @property
    def retryable(self) -> bool:
        """Opening another live session may work."""
        return self.remedy is not Remedy.FATAL

    @property
    def resumable(self) -> bool:
        """... and the handle may be used for it."""
        return self.remedy in (Remedy.RESUME, Remedy.BACK_OFF)

    @property
    def fatal(self) -> bool:
        return self.remedy is Remedy.FATAL


@dataclass(frozen=True, slots=True)
class _Row:
    code: int | None  # any code if None
    reason: str  # any reason if empty
    error: type[LiveError]
    remedy: Remedy
    words: str

    def fits(self, code: int | None, reason: str) -> bool:
        return self.code in (None, code) and self.reason.casefold() in reason.casefold()


_KEY_WORDS = "The service does not accept the API key."
_QUOTA_WORDS = "The quota for the Live API is used up, or billing is off."

# WebSocket closes, the particular before the general.
_CLOSES = (
    _Row(None, "api key", LiveUnauthorized, Remedy.FATAL, _KEY_WORDS),
    _Row(None, "user location", LiveRefused, Remedy.FATAL,
         "The Live API is not offered at the place the gateway calls from."),
    _Row(None, "quota", LiveRefused, Remedy.FATAL, _QUOTA_WORDS),
    _Row(None, "exceeded your", LiveRefused, Remedy.FATAL, _QUOTA_WORDS),
    _Row(None, "billing", LiveRefused, Remedy.FATAL, _QUOTA_WORDS),
    _Row(1000, "", LiveUnreachable, Remedy.RESUME, "The service ended the connection."),
    _Row(1001, "", LiveUnreachable, Remedy.RESUME, "The service is going away."),
    _Row(1006, "", LiveUnreachable, Remedy.BACK_OFF, "The connection to the service broke off."),
    _Row(1007, "unknown name", LiveRefused, Remedy.FATAL,
         "The service does not know a field that was sent."),
    _Row(1007, "invalid value", LiveRefused, Remedy.FATAL,
         "The service does not take a value that was sent."),
    _Row(1007, "precondition check failed", LiveRefused, Remedy.FATAL,
         "The model cannot do what it was asked for, such as this modality."),
    _Row(1007, "before turn_complete", LiveRefused, Remedy.FATAL,
         "The service does not take a turn that was sent."),
    _Row(1007, "invalid argument", LiveRefused, Remedy.FRESH,
         "The service does not take what was sent."),
    _Row(1007, "", LiveRefused, Remedy.FATAL, "The service does not take what was sent."),
    _Row(1008, "requested entity was not found", LiveRefused, Remedy.FRESH,
         "The service no longer knows the session that was to be resumed."),
    _Row(1008, "not found", LiveRefused, Remedy.FATAL,
         "The service has no such model for live sessions."),
    _Row(1008, "publisher model", LiveRefused, Remedy.FATAL,
         "The model is not served at this location."),
    _Row(1008, "not implemented", LiveRefused, Remedy.RESUME,
         "The model cannot do what it was asked for."),
    _Row(1008, "aborted", LiveUnreachable, Remedy.RESUME, "The service ended the connection."),
    _Row(1008, "", LiveRefused, Remedy.FATAL, "The service does not allow what was asked for."),
    _Row(1009, "", LiveRefused, Remedy.FATAL, "A message was too large."),
    _Row(1011, "deadline expired", LiveUnreachable, Remedy.RESUME,
         "The connection to the service reached its time limit."),
    _Row(1011, "unavailable", LiveUnreachable, Remedy.BACK_OFF, "The service is out of order."),
    _Row(None, "", LiveUnreachable, Remedy.BACK_OFF, "The service failed."),
)  # fmt: skip

# HTTP statuses in answer to the upgrade.
_STATUSES = (
    _Row(None, "api key", LiveUnauthorized, Remedy.FATAL, _KEY_WORDS),
    _Row(400, "", LiveRefused, Remedy.FATAL, "The service does not take the request."),
    _Row(401, "", LiveUnauthorized, Remedy.FATAL, "The service does not accept the credentials."),
    _Row(403, "", LiveUnauthorized, Remedy.FATAL,
         "The service does not allow these credentials to open live sessions."),
    _Row(404, "", LiveRefused, Remedy.FATAL, "The service has no Live API at this address."),
    _Row(429, "", LiveRefused, Remedy.FATAL, _QUOTA_WORDS),
    _Row(None, "", LiveUnreachable, Remedy.BACK_OFF, "The service did not open a WebSocket."),
)  # fmt: skip


def meaning_of_close(code: int | None, reason: str = "", *, was_open: bool = True) -> Meaning:
    """What a WebSocket close means; ``None`` (no close frame came) is 1006.

    ``was_open`` if setup_complete had come.  Before it nothing was lost by
    chance: a refusal stands until what was asked for changes.
    """
    meaning = _look_up(_CLOSES, 1006 if code is None else code, reason)
    if not was_open and meaning.error is LiveRefused and meaning.remedy is Remedy.RESUME:
        return meaning._replace(remedy=Remedy.FATAL)
    return meaning


def meaning_of_status(status: int, body: str = "") -> Meaning:
    """What an HTTP status means that was given in place of the upgrade."""
    return _look_up(_STATUSES, status, body)


def error_of_close(code: int | None, reason: str = "", *, was_open: bool) -> LiveError:
    """The error to raise for a close: :exc:`LiveClosed` once the session ``was_open``."""
    meaning = meaning_of_close(code, reason, was_open=was_open)
    error = LiveClosed if was_open else meaning.error
    reason = _plain(reason)
    told = ": ".join(str(part) for part in (code, reason) if part)
    text = f"{meaning.words} ({told})" if told else meaning.words
    return error(text, close_code=code, close_reason=reason)


def error_of_status(status: int, body: str = "") -> LiveError:
    """The error to raise for an upgrade that was refused."""
    meaning = meaning_of_status(status, body)
    return meaning.error(f"{meaning.words} (HTTP {status})", close_code=status)


def _look_up(rows: tuple[_Row, ...], code: int, reason: str) -> Meaning:
    row = next(row for row in rows if row.fits(code, reason))
    return Meaning(row.error, row.remedy, row.words)


def _plain(reason: str) -> str:
    """The service's text on one line, of a bounded length."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", reason).strip()[:_REASON_LIMIT]
