"""SRTP against a second implementation, and against those who mean no good."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pylibsrtp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc.srtp import MAX_PACKET_BYTES, MAX_SSRCS, PROFILES, Srtp, SrtpError, SrtpKeys

pytestmark = pytest.mark.unit

REPORT = bytes.fromhex("81c90007") + bytes.fromhex("cafebabe") + bytes(24)


def keys_of(profile: str, byte: int) -> bytes:
    return bytes([byte]) * (PROFILES[profile].key_bytes + PROFILES[profile].salt_bytes)


def pair(profile: str = "AEAD_AES_128_GCM") -> tuple[Srtp, Srtp]:
    ours, theirs = keys_of(profile, 1), keys_of(profile, 2)
    return Srtp(SrtpKeys(profile, ours, theirs)), Srtp(SrtpKeys(profile, theirs, ours))


def rtp(number: int, ssrc: int = 0xCAFEBABE, payload: bytes = b"opus" * 10) -> bytes:
    return struct.pack("!BBHLL", 0x80, 111, number, number * 960, ssrc) + payload


def key_stream(key: bytes, counter: int, size: int) -> bytes:
    return Cipher(AES(key), CTR(counter.to_bytes(16))).encryptor().update(bytes(size))


def derive(master: bytes, key_bytes: int, label: int, size: int) -> bytes:
    """RFC 3711 §4.3.1 with a key derivation rate of zero; a salt of 96 bits is shifted up."""
    salt = int.from_bytes(master[key_bytes:].ljust(14, b"\0"))
    return key_stream(master[:key_bytes], (salt ^ label << 48) << 16, size)


def protected(profile: str, master: bytes, packet: bytes) -> bytes:
    """An RTP packet of rollover count 0, by RFC 3711 §4 and RFC 7714 §8."""
    key_bytes, salt_bytes = PROFILES[profile].key_bytes, PROFILES[profile].salt_bytes
    key, salt = derive(master, key_bytes, 0, key_bytes), derive(master, key_bytes, 2, salt_bytes)
    header, payload = packet[:12], packet[12:]
    number, ssrc = int.from_bytes(packet[2:4]), int.from_bytes(packet[8:12])
    if "GCM" in profile:
        nonce = int.from_bytes(salt) ^ ssrc << 48 ^ number
        return header + AESGCM(key).encrypt(nonce.to_bytes(12), payload, header)
    stream = key_stream(key, (int.from_bytes(salt) << 16) ^ ssrc << 64 ^ number << 16, len(payload))
    sealed = header + bytes(a ^ b for a, b in zip(payload, stream, strict=True))
    mac = hmac.new(derive(master, key_bytes, 1, 20), sealed + bytes(4), hashlib.sha1)
    return sealed + mac.digest()[:10]


def test_the_witness_derives_the_keys_of_rfc_3711() -> None:
    master = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139" + "0EC675AD498AFEEBB6960B3AABE6")
    assert derive(master, 16, 0, 16) == bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    assert derive(master, 16, 2, 14) == bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
    assert derive(master, 16, 1, 16) == bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A15")


@pytest.mark.parametrize("profile", PROFILES)
def test_packets_are_what_the_standards_say(profile: str) -> None:
    ours, theirs = pair(profile)
    for number in (1, 2, 700):
        packet = rtp(number)
        assert ours.protect(packet) == protected(profile, keys_of(profile, 1), packet)
        assert ours.unprotect(protected(profile, keys_of(profile, 2), packet)) == packet


@pytest.mark.parametrize("profile", PROFILES)
def test_what_one_side_protects_the_other_opens(profile: str) -> None:
    ours, theirs = pair(profile)
    for number in range(65_500, 65_600):  # over the wrap of the sequence number
        packet = rtp(number & 0xFFFF)
        assert theirs.unprotect(ours.protect(packet)) == packet
    assert theirs.unprotect_rtcp(ours.protect_rtcp(REPORT)) == REPORT
    assert theirs.dropped == 0


def test_late_packets_are_opened_and_seen_ones_refused() -> None:
    ours, theirs = pair()
    packets = [ours.protect(rtp(number)) for number in range(200)]
    for packet in reversed(packets):
        theirs.unprotect(packet)
    for packet in packets:
        with pytest.raises(SrtpError, match="replay"):
            theirs.unprotect(packet)
    report = ours.protect_rtcp(REPORT)
    theirs.unprotect_rtcp(report)
    with pytest.raises(SrtpError, match="replay"):
        theirs.unprotect_rtcp(report)
    assert theirs.dropped == 201


def test_a_packet_older_than_the_window_is_refused() -> None:
    ours, theirs = pair()
    packets = [ours.protect(rtp(number)) for number in range(1100)]
    theirs.unprotect(packets[-1])
    theirs.unprotect(packets[100])
    with pytest.raises(SrtpError, match="replay"):
        theirs.unprotect(packets[50])


@pytest.mark.parametrize("profile", PROFILES)
@given(data=st.data())
def test_a_changed_packet_is_refused_and_the_true_one_still_taken(
    profile: str, data: st.DataObject
) -> None:
    ours, theirs = pair(profile)
    true = ours.protect(rtp(5))
    at = data.draw(st.integers(0, len(true) - 1))
    flip = data.draw(st.integers(1, 255))
    false = true[:at] + bytes([true[at] ^ flip]) + true[at + 1 :]
    with pytest.raises(SrtpError):
        theirs.unprotect(false)
    assert theirs.unprotect(true) == rtp(5)
    assert theirs.dropped == 1


def test_two_packets_of_one_number_are_never_both_protected() -> None:
    ours, _ = pair()
    ours.protect(rtp(7, payload=b"one"))
    with pytest.raises(SrtpError):
        ours.protect(rtp(7, payload=b"two"))


def test_a_peer_has_a_bounded_number_of_streams() -> None:
    ours, theirs = pair()
    packets = [ours.protect(rtp(1, ssrc)) for ssrc in range(MAX_SSRCS + 40)]
    for packet in packets[:MAX_SSRCS]:
        theirs.unprotect(packet)
    for packet in packets[MAX_SSRCS:]:
        with pytest.raises(SrtpError, match="too many"):
            theirs.unprotect(packet)
    with pytest.raises(SrtpError, match="too many"):
        theirs.unprotect_rtcp(ours.protect_rtcp(REPORT))
    assert theirs.unprotect(ours.protect(rtp(2, 0))) == rtp(2, 0)
    assert theirs.dropped == 41


def test_ssrcs_that_prove_nothing_take_no_place() -> None:
    ours, theirs = pair()
    for ssrc in range(100):
        with pytest.raises(SrtpError):
            theirs.unprotect(rtp(1, ssrc, bytes(40)))
    assert theirs.unprotect(ours.protect(rtp(1))) == rtp(1)


@pytest.mark.parametrize("size", [MAX_PACKET_BYTES, 0])
def test_a_result_is_its_own_and_as_long_as_it_may_be(size: int) -> None:
    ours, theirs = pair()
    first, second = rtp(1, payload=bytes(max(0, size - 28))), rtp(2, payload=b"x")
    sealed = ours.protect(first)
    ours.protect(second)
    assert theirs.unprotect(sealed) == first


def test_too_long_is_an_error_not_a_crash() -> None:
    ours, theirs = pair()
    for method in (ours.protect, ours.protect_rtcp, theirs.unprotect, theirs.unprotect_rtcp):
        with pytest.raises(SrtpError, match="too long"):
            method(rtp(1, payload=bytes(MAX_PACKET_BYTES)))


@pytest.mark.parametrize("profile", PROFILES)
@given(packet=st.one_of(st.binary(max_size=120), st.binary(max_size=120).map(b"\x9f".__add__)))
def test_any_bytes_are_refused(profile: str, packet: bytes) -> None:
    ours, _ = pair(profile)
    for method in (ours.unprotect, ours.unprotect_rtcp):
        with pytest.raises(SrtpError):
            method(packet)
    assert ours.dropped == 2
    for method in (ours.protect, ours.protect_rtcp):
        try:
            method(packet)
        except SrtpError:
            pass


def test_keys_are_not_shown() -> None:
    assert "local" not in repr(SrtpKeys("AEAD_AES_128_GCM", b"local", b"remote"))


def test_the_wrapper_is_the_one_whose_inside_is_used() -> None:
    assert pylibsrtp.__version__ == "1.0.0"
