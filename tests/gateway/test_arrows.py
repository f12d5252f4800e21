"""Imports point one way, and each foreign library has one home.

What ``docs/architecture.md`` says of the packages is checked here on the
source itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("signaling/**/*.py")])

# Longest prefix wins: what a module may import of ours.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "gateway.errors": (),
    "gateway.config": ("gateway.errors",),
    "gateway.logs": (),
    "gateway.peer": (),
    "gateway.turn": (),
    "gateway.events": (),
    "gateway.control": ("gateway.errors",),
    "gateway.ticker": (),
    "gateway.uplink": ("gateway.peer", "gateway.ticker"),
    "gateway.downlink": ("gateway.peer",),
    "gateway.media": ("gateway.errors", "gateway.media"),
    "gateway.rtc": ("gateway.errors", "gateway.rtc"),
    "gateway.pacer": ("gateway.peer",),
    "gateway.native": ("gateway.media", "gateway.pacer", "gateway.peer", "gateway.rtc"),
    "gateway.tracks": ("gateway.errors", "gateway.media", "gateway.peer", "gateway.rtc"),
    "gateway.live": ("gateway.errors", "gateway.live"),
    "gateway.live.local": ("gateway.errors", "gateway.live", "gateway.media"),
    "gateway.bridge": (
        "gateway.turn",
        "gateway.uplink",
        "gateway.downlink",
        "gateway.errors",
        "gateway.live",
        "gateway.media",
        "gateway.peer",
        "gateway.ticker",
    ),
    "gateway.call": (
        "gateway.bridge",
        "gateway.config",
        "gateway.control",
        "gateway.errors",
        "gateway.events",
        "gateway.peer",
        "gateway.ticker",
    ),
    "gateway.dialer": ("gateway.call", "gateway.config", "gateway.live"),
    "gateway.calls": ("gateway.call", "gateway.config", "gateway.errors", "gateway.ticker"),
    "signaling": (
        "gateway.calls",
        "gateway.call",
        "gateway.config",
        "gateway.errors",
        "gateway.live.catalog",
        "signaling",
    ),
}

HOMES: dict[str, tuple[str, ...]] = {
    "aiortc": ("gateway.tracks", "gateway.rtc"),
    "aioice": ("gateway.tracks", "gateway.rtc"),
    "pylibsrtp": ("gateway.rtc",),
    "OpenSSL": ("gateway.tracks", "gateway.rtc"),
    "ifaddr": ("gateway.rtc",),
    "uvloop": ("gateway.cli",),
    "av": ("gateway.media", "gateway.tracks"),
    "webrtcvad": ("gateway.media",),
    "websockets": (
        "gateway.live.websocket",
        "gateway.live.frames",
        "gateway.live.failures",
        "gateway.live.local",
    ),
    "google": ("gateway.live.credentials",),
    "aiohttp": ("signaling",),
    "pocketsphinx": ("gateway.live.local",),
    "espeakng_loader": ("gateway.live.local",),
}

ABOVE_ALL = ("gateway.cli", "gateway.__main__")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    modules = {name_of(other) for other in SOURCES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield full if full in modules else module


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def rule_for(module: str) -> tuple[str, ...] | None:
    prefixes = [rule for rule in MAY_IMPORT if is_in(module, (rule,))]
    return MAY_IMPORT[max(prefixes, key=len)] if prefixes else None


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_follow_the_arrows(path: Path) -> None:
    module = name_of(path)
    if module in (*ABOVE_ALL, "gateway"):
        return
    allowed = rule_for(module)
    assert allowed is not None, f"{module} has no place on the map; give it one"
    for imported in imports_of(path):
        if imported.split(".")[0] in ("gateway", "signaling"):
            assert not is_in(imported, ABOVE_ALL), f"{module} imports {imported}"
            assert is_in(imported, allowed), f"{module} imports {imported}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_foreign_libraries_stay_at_home(path: Path) -> None:
    module = name_of(path)
    for imported in imports_of(path):
        homes = HOMES.get(imported.split(".")[0])
        assert homes is None or is_in(module, homes), f"{module} imports {imported}"


def test_only_the_local_package_is_reached_by_cli_alone() -> None:
    for path in SOURCES:
        module = name_of(path)
        if not is_in(module, ("gateway.live.local", *ABOVE_ALL)):
            assert not any(is_in(name, ("gateway.live.local",)) for name in imports_of(path))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_config_and_cli_read_the_environment(path: Path) -> None:
    if name_of(path) in ("gateway.config", *ABOVE_ALL):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("environ", "getenv"), f"{path.name} reads the environment"
