"""The callers' and the far end's packets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from bench.rig import frames, rtp, sdp
from bench.rig.dtls import Dtls, Identity
from bench.rig.ice import Checks, is_stun

pytestmark = pytest.mark.unit

ADDRESS = ("127.0.0.1", 5000)


def masked(opcode: int, payload: bytes, mask: bytes) -> bytes:
    plain = frames.write(opcode, payload)
    head = len(plain) - len(payload)
    body = bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
    return bytes([plain[0], plain[1] | 0x80]) + plain[2:head] + mask + body


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([126, 640, 66_000]), max_size=4),
    st.binary(min_size=4, max_size=4),
    st.integers(1, 100),
)
def test_frames_come_out_of_any_pieces(contents: list[bytes | int], mask: bytes, size: int) -> None:
    payloads = [bytes([n % 256]) * n if isinstance(n, int) else n for n in contents]
    stream = b"".join(masked(frames.TEXT, payload, mask) for payload in payloads)
    size = max(size, len(stream) // 200)
    reader = frames.FrameReader()
    found = [f for at in range(0, len(stream), size) for f in reader.push(stream[at : at + size])]
    assert [frame.data() for frame in found] == payloads
    assert all(frame.opcode == frames.TEXT for frame in found)


@given(st.lists(st.binary(max_size=40)))
def test_a_frame_reader_takes_anything(pieces: list[bytes]) -> None:
    reader = frames.FrameReader()
    for piece in pieces:
        for frame in reader.push(piece):
            frame.data()


def test_an_rtp_packet_is_read_behind_everything_it_can_have() -> None:
    head = bytearray(rtp.header(111, 65535, 2**32 - 1, 7))
    assert rtp.read(bytes(head) + b"opus") == (65535, 2**32 - 1, b"opus")
    head[0] |= 0x20 | 0x10 | 2  # padding, an extension, two contributing sources
    packet = bytes(head) + bytes(8) + b"\xbe\xde\0\1abcd" + b"opus" + b"\0\0\3"
    assert rtp.read(packet)[2] == b"opus"
    assert rtp.is_rtp(packet) and not is_stun(packet)


@given(st.binary(max_size=80))
def test_reading_rtp_raises_nothing_else(packet: bytes) -> None:
    try:
        rtp.read(packet)
    except ValueError:
        pass


def test_an_offer_is_understood_and_an_answer_read() -> None:
    offer = sdp.offer(ice_ufrag="abcd", ice_pwd="p" * 22, fingerprint="AB:CD", ssrc=5, port=4000)
    other = "a=candidate:2 1 UDP 1 192.0.2.1 4001 typ host\r\n"
    tcp = "a=candidate:3 1 tcp 1 127.0.0.1 4002 typ host tcptype passive\r\n"
    answer = sdp.read_answer(other + tcp + offer.replace("actpass", "active"))
    assert answer.address == ("127.0.0.1", 4000)
    assert (answer.ice_ufrag, answer.is_active, answer.fingerprint) == ("abcd", True, "AB:CD")
    with pytest.raises(ValueError, match="candidate"):
        sdp.read_answer(offer.replace("a=candidate", "a=nothing"))


@given(st.text())
def test_reading_an_answer_raises_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):
        sdp.read_answer("a=setup:active\r\n" + text)


def pair() -> tuple[Checks, Checks]:
    one, other = Checks(), Checks()
    one.remote_ufrag, one.remote_pwd = other.local_ufrag, other.local_pwd
    other.remote_ufrag, other.remote_pwd = one.local_ufrag, one.local_pwd
    return one, other


def test_a_check_is_answered_and_the_answer_counts() -> None:
    one, other = pair()
    request = one.request()
    assert is_stun(request)
    answer = other.receive(request, ADDRESS, 1.0)
    assert answer is not None and one.answered_s is None
    assert one.receive(answer, ADDRESS, 2.0) is None
    assert one.answered_s == 2.0


def test_checks_of_strangers_are_dropped() -> None:
    one, other = pair()
    stranger = Checks(remote_pwd="wrong")
    assert other.receive(stranger.request(), ADDRESS, 1.0) is None
    old = other.receive(one.request(), ADDRESS, 1.0)
    one.request()
    assert old is not None and one.receive(old, ADDRESS, 2.0) is None
    assert one.answered_s is None  # it was the answer to another request


@given(st.binary(max_size=100))
def test_checks_take_anything(data: bytes) -> None:
    assert Checks().receive(data, ADDRESS, 1.0) is None


def test_two_ends_shake_hands_and_understand_each_other() -> None:
    one, other = Identity(), Identity()
    client, server = Dtls(one, is_client=True), Dtls(other, is_client=False)
    done = False
    for _ in range(10):
        done = client.step()
        for datagram in client.pending():
            server.receive(datagram)
        done = server.step() and done
        for datagram in server.pending():
            client.receive(datagram)
    assert done
    assert client.peer_fingerprint() == other.fingerprint
    assert server.peer_fingerprint() == one.fingerprint
    packet = rtp.header(111, 1, 960, 9) + b"sound"
    for sender, receiver in ((client, server), (server, client)):
        assert receiver.srtp()[1].unprotect(sender.srtp()[0].protect(packet)) == packet
    client.close()
    assert not server.is_closed()
    for datagram in client.pending():
        server.receive(datagram)
    assert server.is_closed()


def test_a_handshake_with_rubbish_goes_nowhere() -> None:
    client = Dtls(Identity(), is_client=True)
    client.step()
    client.receive(b"\x16" + bytes(40))
    try:
        assert not client.step()
    except SSL.Error:
        pass
