"""The reason texts that the service is known to give, and what each is taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LiveClosed, LiveError, LiveRefused, LiveUnauthorized, LiveUnreachable
from gateway.live.closes import (
    Remedy,
    error_of_close,
    error_of_status,
    meaning_of_close,
    meaning_of_status,
)

pytestmark = pytest.mark.unit

CLOSES: list[tuple[int | None, str, type[LiveError], Remedy]] = [
    (1000, "The operation was cancelled.", LiveUnreachable, Remedy.RESUME),
    (1000, "", LiveUnreachable, Remedy.RESUME),
    (1001, "", LiveUnreachable, Remedy.RESUME),
    (1006, "", LiveUnreachable, Remedy.BACK_OFF),
    (None, "", LiveUnreachable, Remedy.BACK_OFF),
    (
        1007,
        "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field.",
        LiveRefused,
        Remedy.FATAL,
    ),
    (
        1007,
        "Invalid value at 'tool_response.function_responses[0].scheduling'",
        LiveRefused,
        Remedy.FATAL,
    ),
    (1007, "Request contains an invalid argument.", LiveRefused, Remedy.FRESH),
    (1007, "Precondition check failed.", LiveRefused, Remedy.FATAL),
    (1007, "API key not valid. Please pass a valid API key.", LiveUnauthorized, Remedy.FATAL),
    (1007, "API key expired. Please renew the API key.", LiveUnauthorized, Remedy.FATAL),
    (1007, "User location is not supported for the API use.", LiveRefused, Remedy.FATAL),
    (1007, "... Last chunk before turn_complete must have r", LiveRefused, Remedy.FATAL),
    (1007, "something new", LiveRefused, Remedy.FATAL),
    (
        1008,
        "models/X is not found for API version v1beta, or is not supported for "
        "bidiGenerateContent. Call ListMo",
        LiveRefused,
        Remedy.FATAL,
    ),
    (1008, "Publisher Model `projects/p/locations/global/publ", LiveRefused, Remedy.FATAL),
    (1008, "Requested entity was not found.", LiveRefused, Remedy.FRESH),
    (1008, "The operation was aborted.", LiveUnreachable, Remedy.RESUME),
    (1008, "something new", LiveRefused, Remedy.FATAL),
    (1011, "Internal error encountered.", LiveUnreachable, Remedy.BACK_OFF),
    (1011, "The service is currently unavailable.", LiveUnreachable, Remedy.BACK_OFF),
    (1011, "Deadline expired before operation could complete.", LiveUnreachable, Remedy.RESUME),
    (1011, "You exceeded your current quota, please check your plan", LiveRefused, Remedy.FATAL),
    (1008, "Check billing account.", LiveRefused, Remedy.FATAL),
    (4321, "", LiveUnreachable, Remedy.BACK_OFF),
]


@pytest.mark.parametrize(("code", "reason", "error", "remedy"), CLOSES)
def test_a_known_close_has_an_error_and_a_remedy(
    code: int | None, reason: str, error: type[LiveError], remedy: Remedy
) -> None:
    assert meaning_of_close(code, reason).remedy is remedy
    before = error_of_close(code, reason, was_open=False)
    assert type(before) is error
    assert (before.close_code, before.close_reason) == (code, reason)
    after = error_of_close(code, reason, was_open=True)
    assert type(after) is LiveClosed
    assert (after.close_code, after.close_reason) == (code, reason)


def test_a_feature_refused_in_mid_session_may_be_chance_and_before_it_is_not() -> None:
    reason = "Operation is not implemented, or supported, or enabled."
    assert meaning_of_close(1008, reason).remedy is Remedy.RESUME
    assert meaning_of_close(1008, reason, was_open=False).remedy is Remedy.FATAL
    assert type(error_of_close(1008, reason, was_open=False)) is LiveRefused


@pytest.mark.parametrize(
    ("code", "reason", "retryable", "resumable", "fatal"),
    [
        (1011, "Deadline expired", True, True, False),
        (1006, "", True, True, False),
        (1008, "Requested entity was not found.", True, False, False),
        (1007, "Unknown name", False, False, True),
    ],
)
def test_remedies_as_data(
    code: int, reason: str, retryable: bool, resumable: bool, fatal: bool
) -> None:
    meaning = meaning_of_close(code, reason)
    assert (meaning.retryable, meaning.resumable, meaning.fatal) == (retryable, resumable, fatal)


def test_words_come_with_the_code_and_the_reason() -> None:
    error = error_of_close(1011, "Deadline expired before operation", was_open=True)
    assert str(error) == (
        "The connection to the service reached its time limit. "
        "(1011: Deadline expired before operation)"
    )
    assert str(error_of_close(1011, "", was_open=True)) == "The service failed. (1011)"
    assert str(error_of_close(None, was_open=True)) == "The connection to the service broke off."


STATUSES: list[tuple[int, str, type[LiveError], Remedy]] = [
    (301, "", LiveUnreachable, Remedy.BACK_OFF),
    (400, "", LiveRefused, Remedy.FATAL),
    (400, '{"error": {"message": "API key not valid."}}', LiveUnauthorized, Remedy.FATAL),
    (401, "", LiveUnauthorized, Remedy.FATAL),
    (403, "Permission denied", LiveUnauthorized, Remedy.FATAL),
    (404, "<html>", LiveRefused, Remedy.FATAL),
    (429, "", LiveRefused, Remedy.FATAL),
    (500, "", LiveUnreachable, Remedy.BACK_OFF),
    (503, "", LiveUnreachable, Remedy.BACK_OFF),
]


@pytest.mark.parametrize(("status", "body", "error", "remedy"), STATUSES)
def test_a_refused_upgrade_has_an_error_and_a_remedy(
    status: int, body: str, error: type[LiveError], remedy: Remedy
) -> None:
    assert meaning_of_status(status, body).remedy is remedy
    raised = error_of_status(status, body)
    assert type(raised) is error
    assert raised.close_code == status
    assert str(raised).endswith(f"(HTTP {status})")


@given(st.none() | st.integers(0, 65535), st.text(), st.booleans())
def test_any_close_is_some_error_in_a_line(code: int | None, reason: str, was_open: bool) -> None:
    error = error_of_close(code, reason, was_open=was_open)
    assert "\n" not in str(error)
    assert len(str(error)) < 400
