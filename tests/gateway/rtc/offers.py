"""Offers of many stacks by name, ways to change them, and what we are in their answers."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.rtc.negotiation import LocalParameters

DATA = Path(__file__).parents[2] / "data"
OFFERS = {
    path.stem: path.read_bytes().decode()
    for path in sorted([*DATA.glob("offers/*.sdp"), *DATA.glob("sdp/*.sdp")])
}
LOCAL = LocalParameters(
    ufrag="oursufrag",
    pwd="ourspassword0123456789ab",
    fingerprint=":".join(["A0"] * 32),
    candidates=(
        "candidate:1 1 udp 2130706431 192.0.2.50 8081 typ host",
        "candidate:2 1 tcp 2128609279 192.0.2.50 8081 typ host tcptype passive",
    ),
    ssrc=305419896,
    cname="cname-of-ours",
    session_id=4711,
    session_version=1,
)


def without(text: str, pattern: str) -> str:
    return re.sub(rf"(?m)^{pattern}.*\r\n", "", text)


def split(text: str) -> list[str]:
    """The session part, and each section."""
    return re.split(r"(?m)^(?=m=)", text)


def kinds(text: str) -> list[str]:
    return re.findall(r"(?m)^m=(\w+) ", text)


def mids(text: str) -> list[str]:
    return re.findall(r"(?m)^a=mid:(\S+)", text)


def ports(text: str) -> list[int]:
    return [int(port) for port in re.findall(r"(?m)^m=\w+ (\d+) ", text)]
