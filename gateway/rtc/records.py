"""The records of DTLS as far as their headers say: where one ends and the next begins."""

from __future__ import annotations

_HEADER_BYTES = 13  # type, version, epoch, number, length (RFC 6347 §4.1)
_TYPES = (20, 21, 22, 23, 26)  # change_cipher_spec, alert, handshake, data; acknowledgement of 1.3
_MAX_RECORD_BYTES = (1 << 14) + 2048


def record_end(data: bytes, at: int) -> int:
    """Where the record that begins at ``at`` ends; ``at`` itself if no whole record is there.

    The short header of DTLS 1.3 (RFC 9147 §4) is read too, without a
    connection id; when it has no length the record lasts to the end.
    """
    size = len(data)
    if at >= size:
        return at
    first = data[at]
    if first in _TYPES:
        if size - at < _HEADER_BYTES or data[at + 1] != 0xFE:
            return at
        length = data[at + 11] << 8 | data[at + 12]
        end = at + _HEADER_BYTES + length
        return end if end <= size and length <= _MAX_RECORD_BYTES else at
    if first & 0xF0 != 0x20:
        return at
    body = at + (3 if first & 0x08 else 2)
    if not first & 0x04:
        return size if body < size else at
    if body + 2 > size:
        return at
    end = body + 2 + (data[body] << 8 | data[body + 1])
    return end if end <= size else at


def whole_records(datagram: bytes) -> int:
    """How many bytes at a datagram's head are whole records."""
    at = 0
    while (end := record_end(datagram, at)) > at:
        at = end
    return at


def join_records(stream: bytes, mtu_bytes: int) -> list[bytes]:
    """Cut a stream of whole records into datagrams, each as full as ``mtu_bytes`` allows.

    A single record that is larger is a datagram of its own.
    """
    datagrams: list[bytes] = []
    start = at = 0
    while (end := record_end(stream, at)) > at:
        if end - start > mtu_bytes and at > start:
            datagrams.append(stream[start:at])
            start = at
        at = end
    assert at == len(stream), "OpenSSL writes whole records"
    if at > start:
        datagrams.append(stream[start:])
    return datagrams


def is_client_hello(datagram: bytes) -> bool:
    """Whether a datagram begins with a ClientHello in the clear, or its first fragment."""
    return (
        len(datagram) >= _HEADER_BYTES + 12
        and datagram[0] == 22
        and datagram[3:5] == b"\0\0"
        and datagram[13] == 1
        and datagram[19:22] == b"\0\0\0"
    )


def clear_records(stream: bytes) -> int:
    """How many records at a stream's head are of epoch 0, not encrypted."""
    at = count = 0
    while (end := record_end(stream, at)) > at and stream[at + 3 : at + 5] == b"\0\0":
        at = end
        count += 1
    return count


def renumber(stream: bytes, shift: int) -> bytes:
    """Add ``shift`` to the numbers of the records at a stream's head that are not encrypted.

    A receiver drops a number that it has seen; nothing else depends on it in epoch 0.
    """
    changed = bytearray(stream)
    at = 0
    for _ in range(clear_records(stream)):
        number = int.from_bytes(stream[at + 5 : at + 11]) + shift
        changed[at + 5 : at + 11] = number.to_bytes(6)
        at = record_end(stream, at)
    return bytes(changed)
