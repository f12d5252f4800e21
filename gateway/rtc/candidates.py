"""The addresses an answer offers: this machine's own, or the public one in front of it.

Host candidates only (RFC 8445 §5.3: all a lite agent has), one UDP and one passive TCP
(RFC 6544) for each address, on the same port number.  The peer's candidates are never
needed, as a lite agent checks nothing: whatever they are, mDNS names too, they may be
ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import Path

import ifaddr

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_COMPONENT = 1
_UDP_PREFERENCE = 126  # RFC 8445 §5.1.2.2
# RFC 6544 §4.2 leaves the value open, so long as UDP comes first; 90 is libwebrtc's.
_TCP_PREFERENCE = 90
_PASSIVE = 4 << 13  # direction preference of a passive host candidate, RFC 6544 §4.2

_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_IF_INET6 = Path("/proc/net/if_inet6")
_UNSTEADY = 0x01 | 0x08 | 0x20 | 0x40  # IFA_F_TEMPORARY, DADFAILED, DEPRECATED, TENTATIVE


def host_addresses(allow: Sequence[str] = (), *, loopback: bool) -> list[str]:
    """This machine's addresses that peers may be told, the most useful first.

    ``allow`` narrows them down: interface names, addresses or networks ("eth0",
    "192.0.2.7", "10.0.0.0/8"); what it names counts as asked for, loopback too.
    Link-local, temporary and deprecated addresses are left out.  Loopback is in only with
    ``loopback``, or when nothing is allowed in particular and there is nothing else.
    """
    steady: list[Address] = []
    loops: list[Address] = []
    unsteady = _unsteady(_IF_INET6.read_text()) if _IF_INET6.exists() else set()
    for name, address in _interface_addresses():
        if not _is_lasting(address) or address in unsteady:
            continue
        if allow and not _is_allowed(name, address, allow):
            continue
        (loops if address.is_loopback else steady).append(address)
    chosen = steady + loops if loopback or allow or not steady else steady
    return [str(address) for address in _ranked(chosen)]


def public_address(text: str) -> str:
    """The address of a 1:1 NAT, in its usual form.

    Private and loopback addresses are taken: a container's port may be published on either.
    Raises :exc:`ValueError` for a name, and for addresses nobody can send to.
    """
    try:
        address = ip_address(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address") from None
    if not _is_lasting(address):
        raise ValueError(f"{text!r} is not an address that others can send to")
    return str(address)


def candidate_lines(
    addresses: Sequence[str], port: int, *, public_ip: str | None, tcp: bool
) -> list[str]:
    """Values of ``a=`` lines ("candidate:…", RFC 8839 §5.1), the preferred first.

    ``public_ip`` stands in for the private addresses of its family, except loopback, and is
    offered even when there are none.  ``tcp`` adds passive TCP candidates on the same port.
    Raises :exc:`ValueError` for what is not an address.
    """
    offered: Iterable[Address] = [ip_address(address) for address in addresses]
    if public_ip is not None:
        public = ip_address(public_address(public_ip))
        offered = [public, *(other for other in offered if not _is_behind(other, public))]
    ranked = _ranked(offered)
    lines = [
        _line(rank + 1, "udp", _UDP_PREFERENCE, 65_535 - rank, address, port)
        for rank, address in enumerate(ranked)
    ]
    if tcp:
        lines += [
            _line(len(ranked) + rank + 1, "tcp", _TCP_PREFERENCE, _PASSIVE | 8_191 - rank, to, port)
            + " tcptype passive"
            for rank, to in enumerate(ranked)
        ]
    return lines


def _line(
    foundation: int, transport: str, kind: int, local: int, address: Address, port: int
) -> str:
    """One candidate with the priority of RFC 8445 §5.1.2.1; foundations differ by base."""
    priority = kind << 24 | local << 8 | 256 - _COMPONENT
    return f"candidate:{foundation} {_COMPONENT} {transport} {priority} {address} {port} typ host"


def _interface_addresses() -> Iterator[tuple[str, Address]]:
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            yield adapter.name, ip_address(text)


def _unsteady(if_inet6: str) -> set[Address]:
    """Of Linux's table of IPv6 addresses those that come and go, or are not yet there."""
    rows = (line.split() for line in if_inet6.splitlines())
    return {
        IPv6Address(bytes.fromhex(row[0]))
        for row in rows
        if len(row) == 6 and int(row[4], 16) & _UNSTEADY
    }


def _is_lasting(address: Address) -> bool:
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return False
    if isinstance(address, IPv4Address):
        return not address.is_reserved
    # RFC 8445 §5.1.1.1: none of the forms that are deprecated or only look like IPv6.
    return address.scope_id is None and not address.is_site_local and not address.ipv4_mapped


def _is_allowed(name: str, address: Address, allow: Sequence[str]) -> bool:
    return any(
        name == entry if (network := _network(entry)) is None else address in network
        for entry in allow
    )


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def _is_behind(address: Address, public: Address) -> bool:
    if address == public:
        return True
    return address.version == public.version and not address.is_global and not address.is_loopback


def _ranked(addresses: Iterable[Address]) -> list[Address]:
    """Each once, by RFC 6724's precedence, loopback last; equals stay in order."""
    return sorted(dict.fromkeys(addresses), key=_rank)


def _rank(address: Address) -> int:
    if address.is_loopback:
        return 3
    if isinstance(address, IPv4Address):
        return 1
    return 2 if address in _UNIQUE_LOCAL else 0
