"""A full agent of another implementation finds the lite one over a socket."""

from __future__ import annotations

import asyncio
from typing import cast

import aioice
import aioice.ice
import pytest

from gateway.rtc.ice import IceAgent, IceCredentials

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]


class LiteEndpoint(asyncio.DatagramProtocol):
    """One socket, one agent; everything that is no STUN counts as media and is echoed."""

    def __init__(self) -> None:
        self.ice: IceAgent[tuple[str, int]] = IceAgent(
            IceCredentials.make(), IceCredentials.make(), now=0.0
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[0] > 3:
            self.ice.heard(addr, 1.0)
            self.transport.sendto(data, self.ice.selected)
        elif (answer := self.ice.receive(data, addr, addr, 1.0)) is not None:
            self.transport.sendto(answer, addr)


@pytest.mark.parametrize("starts_controlling", [True, False])
async def test_a_full_agent_connects(
    monkeypatch: pytest.MonkeyPatch, starts_controlling: bool
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    loop = asyncio.get_running_loop()
    transport, endpoint = await loop.create_datagram_endpoint(
        LiteEndpoint, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    client = aioice.Connection(ice_controlling=starts_controlling)
    client.remote_is_lite = True
    client.remote_username = endpoint.ice.local.ufrag
    client.remote_password = endpoint.ice.local.pwd
    try:
        await client.gather_candidates()
        line = f"1 1 udp 2130706431 127.0.0.1 {port} typ host"
        await client.add_remote_candidate(aioice.Candidate.from_sdp(line))
        await client.add_remote_candidate(None)
        await client.connect()
        assert client.ice_controlling
        ours = client.local_candidates[0]
        assert endpoint.ice.selected == (ours.host, ours.port)
        assert endpoint.ice.checks >= 1
        assert (endpoint.ice.refused > 0) == (not starts_controlling)
        await client.send(b"\x80media")
        assert await client.recv() == b"\x80media"
    finally:
        await client.close()
        transport.close()
