"""The table of problems against the contract, and the errors against the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadOffer, CallError, ConfigError, TooManyCalls
from signaling.problems import KINDS, OF_ERROR, Problem, problem_of, quoted

pytestmark = pytest.mark.unit

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def documented() -> dict[str, int]:
    """``{code: status}`` as the last table of the protocol has them."""
    table = PROTOCOL.read_text().partition("### Codes of HTTP problems")[2]
    rows = re.findall(r"^\| (`.+?`) \| (\d{3}) \|", table, re.MULTILINE)
    return {code: int(status) for codes, status in rows for code in re.findall(r"`(\w+)`", codes)}


def test_the_protocol_lists_every_code_with_its_status() -> None:
    assert documented() == {code: kind.status for code, kind in KINDS.items()}


def test_every_error_about_a_call_has_a_code() -> None:
    assert set(CallError.__subclasses__()) == set(OF_ERROR)
    assert set(OF_ERROR.values()) <= set(KINDS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("foreign_host", "No."), "foreign_host"),
        (BadOffer("no audio"), "bad_offer"),
        (type("NarrowerError", (TooManyCalls,), {})("full"), "too_many_calls"),
        (web.HTTPNotFound(), "not_found"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), "method_not_allowed"),
        (web.HTTPExpectationFailed(), "bad_request"),
        (web.HTTPBadGateway(), "internal"),
        (ConfigError("a secret"), "internal"),
        (CallError("of no kind"), "internal"),
        (KeyError("x"), "internal"),
    ],
)
def test_each_error_is_one_problem(error: Exception, code: str) -> None:
    problem = problem_of(error)
    assert problem.code == code
    if code == "internal":
        assert str(error) not in problem.detail


def test_a_code_without_a_row_cannot_be_raised() -> None:
    with pytest.raises(AssertionError, match="no_such_code"):
        Problem("no_such_code", "Never.")


@given(st.text())
def test_what_a_client_sent_is_quoted_on_one_short_line(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text, limit=10)) <= 10 * 10 + 3
