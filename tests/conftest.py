"""Options of the whole suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-service",
        action="store_true",
        help="hold the contract conversations with Google's service too (needs credentials)",
    )
