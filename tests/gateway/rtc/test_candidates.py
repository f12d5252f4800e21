"""Which addresses are told, and in what words."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import aioice
import ifaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc import candidates
from gateway.rtc.candidates import candidate_lines, host_addresses, public_address

pytestmark = pytest.mark.unit

TABLE = """\
20010db8000000000000000000000001 02 40 00 80     eth0
20010db8000000000000000000000002 02 40 00 01     eth0
20010db8000000000000000000000003 02 40 00 a0     eth0
20010db8000000000000000000000004 02 40 00 40     eth0
00000000000000000000000000000001 01 80 10 80       lo
odd line
"""


class Machine:
    """Interfaces and their addresses, in place of this machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **interfaces: list[str]) -> None:
        adapters = [
            ifaddr.Adapter(name, name, [self._ip(address) for address in addresses])
            for name, addresses in interfaces.items()
        ]
        monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)

    @staticmethod
    def _ip(text: str) -> ifaddr.IP:
        address, _, scope = text.partition("%")
        six = ":" in address
        return ifaddr.IP((address, 0, int(scope or 0)) if six else address, 64 if six else 24, "")


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_unsteady", lambda table: set())


LO = ["127.0.0.1", "::1"]


@pytest.mark.usefixtures("no_table")
class TestHostAddresses:
    def test_the_most_useful_come_first_and_loopback_last(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Machine(monkeypatch, lo=LO, eth0=["fd00::2", "10.0.0.2", "2001:db8::2"], eth1=["192.0.2.3"])
        usual = ["2001:db8::2", "10.0.0.2", "192.0.2.3", "fd00::2"]
        assert host_addresses(loopback=False) == usual
        assert host_addresses(loopback=True) == [*usual, *LO]

    def test_loopback_serves_where_nothing_else_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Machine(monkeypatch, lo=LO, eth0=["fe80::1%2", "169.254.7.7"])
        assert host_addresses(loopback=False) == LO

    def test_addresses_nobody_can_reach_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        odd = ["fe80::1%2", "fe80::2", "169.254.1.1", "fec0::1", "::ffff:10.0.0.1", "0.0.0.0"]
        Machine(monkeypatch, eth0=[*odd, "10.0.0.2"])
        assert host_addresses(loopback=False) == ["10.0.0.2"]

    @pytest.mark.parametrize(
        ("allow", "expected"),
        [
            (["eth1"], ["192.0.2.3"]),
            (["10.0.0.0/8", "2001:db8::/32"], ["2001:db8::2", "10.0.0.2"]),
            (["10.0.0.2"], ["10.0.0.2"]),
            (["10.0.0.9/8"], ["10.0.0.2"]),
            (["eth0", "192.0.2.3"], ["2001:db8::2", "10.0.0.2", "192.0.2.3"]),
            (["lo"], LO),
            (["127.0.0.0/8"], ["127.0.0.1"]),
            (["eth"], []),
            (["203.0.113.0/24"], []),
        ],
    )
    def test_what_is_allowed(
        self, monkeypatch: pytest.MonkeyPatch, allow: list[str], expected: list[str]
    ) -> None:
        Machine(monkeypatch, lo=LO, eth0=["10.0.0.2", "2001:db8::2"], eth1=["192.0.2.3"])
        assert host_addresses(allow, loopback=False) == expected

    def test_an_address_on_two_interfaces_is_told_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Machine(monkeypatch, eth0=["10.0.0.2"], eth1=["10.0.0.2"])
        assert host_addresses(loopback=False) == ["10.0.0.2"]


def test_temporary_deprecated_and_tentative_addresses_are_known() -> None:
    assert candidates._unsteady(TABLE) == {
        ip_address("2001:db8::2"),
        ip_address("2001:db8::3"),
        ip_address("2001:db8::4"),
    }


def test_addresses_that_come_and_go_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, eth0=["2001:db8::1", "2001:db8::2"])
    monkeypatch.setattr(candidates, "_unsteady", lambda table: {ip_address("2001:db8::2")})
    monkeypatch.setattr(candidates, "_IF_INET6", Path(__file__))
    assert host_addresses(loopback=False) == ["2001:db8::1"]


def test_this_machine_has_addresses_of_the_usual_form() -> None:
    found = host_addresses(loopback=True)
    assert found
    assert [str(ip_address(address)) for address in found] == found


def test_candidates_are_what_another_implementation_reads() -> None:
    lines = candidate_lines(["10.0.0.2", "2001:db8::2"], 8081, public_ip=None, tcp=True)
    assert all(line.startswith("candidate:") for line in lines)
    read = [aioice.Candidate.from_sdp(line.removeprefix("candidate:")) for line in lines]
    assert [(each.transport, each.host, each.tcptype) for each in read] == [
        ("udp", "2001:db8::2", None),
        ("udp", "10.0.0.2", None),
        ("tcp", "2001:db8::2", "passive"),
        ("tcp", "10.0.0.2", "passive"),
    ]
    for each in read:
        assert (each.component, each.port, each.type) == (1, 8081, "host")


def test_the_first_udp_candidate_has_the_highest_priority_a_host_can_have() -> None:
    assert candidate_lines(["10.0.0.2"], 8081, public_ip=None, tcp=True) == [
        "candidate:1 1 udp 2130706431 10.0.0.2 8081 typ host",
        # Local preference: direction 4 of a passive candidate, 8191 of our own (RFC 6544 §4.2).
        f"candidate:2 1 tcp {(90 << 24) + (4 * 8192 + 8191) * 256 + 255} 10.0.0.2 8081 typ host"
        " tcptype passive",
    ]


ADDRESSES = st.lists(st.ip_addresses().map(str), max_size=40)


@given(ADDRESSES, st.booleans())
def test_priorities_fall_and_foundations_differ(addresses: list[str], tcp: bool) -> None:
    lines = candidate_lines(addresses, 8081, public_ip=None, tcp=tcp)
    assert len(lines) == len(set(addresses)) * (1 + tcp)
    pattern = re.compile(
        r"candidate:([\w+/]{1,32}) 1 (udp|tcp) (\d+) (\S+) 8081 typ host( tcptype passive)?"
    )
    matches = [match for line in lines if (match := pattern.fullmatch(line))]
    assert len(matches) == len(lines)
    priorities = [int(match[3]) for match in matches]
    assert priorities == sorted(set(priorities), reverse=True)
    assert all(0 < priority < 2**31 for priority in priorities)
    assert len({match[1] for match in matches}) == len(lines)


@pytest.mark.parametrize(
    ("addresses", "public_ip", "expected"),
    [
        (["10.0.0.2", "172.17.0.1"], "198.51.100.7", ["198.51.100.7"]),
        (["10.0.0.2", "8.8.8.8"], "198.51.100.7", ["198.51.100.7", "8.8.8.8"]),
        (["10.0.0.2", "fd00::2"], "198.51.100.7", ["198.51.100.7", "fd00::2"]),
        (["10.0.0.2", "fd00::2"], "2600::7", ["2600::7", "10.0.0.2"]),
        (["10.0.0.2", "127.0.0.1"], "198.51.100.7", ["198.51.100.7", "127.0.0.1"]),
        (["fd00::2"], "198.51.100.7", ["198.51.100.7", "fd00::2"]),
        (["8.8.8.8"], "8.8.8.8", ["8.8.8.8"]),
        ([], "127.0.0.1", ["127.0.0.1"]),
    ],
)
def test_a_public_address_stands_in_for_private_ones(
    addresses: list[str], public_ip: str, expected: list[str]
) -> None:
    lines = candidate_lines(addresses, 8081, public_ip=public_ip, tcp=False)
    assert [line.split()[4] for line in lines] == expected


@pytest.mark.parametrize("text", ["203.0.113.7", " 203.0.113.7\n", "10.0.0.5", "127.0.0.1"])
def test_public_addresses(text: str) -> None:
    assert public_address(text) == text.strip()
    assert public_address("2600:0:0:0::7") == "2600::7"


@pytest.mark.parametrize(
    "text",
    ["", "gateway.example", "203.0.113.7:8081", "203.0.113.0/24", "0.0.0.0", "::", "224.0.0.1"]
    + ["255.255.255.255", "169.254.1.1", "fe80::1", "2600::7%eth0", "::ffff:203.0.113.7"],
)
def test_what_is_no_public_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        public_address(text)
    with pytest.raises(ValueError, match="address"):
        candidate_lines(["10.0.0.2"], 8081, public_ip=text, tcp=False)
