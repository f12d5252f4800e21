"""What no gateway can save: libopus in and out, SRTP, TLS and the system calls, nothing else.

    python -m bench floor [--calls 10] [--seconds 4]

One call receives 50 packets a second and opens, decodes and passes each on as one TLS record;
half the time it reads a reply by TLS and encodes, protects and sends 50 packets a second.
Only this process's own CPU time in these steps is counted.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pylibsrtp import Policy, Session

from bench.rig import rtp
from bench.rig.sound import caller_packets, voice
from gateway.live.local.tls import self_signed
from gateway.media.opus import OpusDecoder, OpusEncoder

PACKETS_PER_S = 50
TALK_SHARE = 0.5  # of the time the model speaks
MESSAGE_BYTES = 925  # 20 ms of 16 kHz PCM in base64 in JSON
REPLY_BYTES = 2700  # 40 ms of 24 kHz PCM in base64 in JSON


@dataclass(slots=True)
class Floor:
    """CPU per packet and step in µs, and of one call in per cent of a core."""

    receive_us: float
    open_us: float
    decode_us: float
    tls_write_us: float
    tls_read_us: float
    encode_us: float
    protect_us: float
    send_us: float

    @property
    def percent_per_call(self) -> float:
        up = self.receive_us + self.open_us + self.decode_us + self.tls_write_us
        down = self.tls_read_us / 2 + self.encode_us + self.protect_us + self.send_us
        return (up + TALK_SHARE * down) * PACKETS_PER_S / 1e4

    def as_dict(self) -> dict[str, float]:
        values = asdict(self) | {"percent_per_call": self.percent_per_call}
        return {name: round(value, 3) for name, value in values.items()}


class Call:
    """The state that one call has in these libraries, and the far ends to feed it."""

    def __init__(self, pcm: bytes) -> None:
        key = secrets.token_bytes(28)
        self.far_send, self.receive = _session(key), _session(key, inbound=True)
        self.send = _session(secrets.token_bytes(28))
        self.decoder, self.encoder = OpusDecoder(16_000), OpusEncoder(24_000)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.far_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.far_udp.bind(("127.0.0.1", 0))
        self.tls, self.far_tls = _tls_pair()
        self.pcm = pcm
        self.number = 0

    def close(self) -> None:
        for one in (self.udp, self.far_udp, self.tls, self.far_tls):
            one.close()


class Stopwatch:
    """CPU time of this thread by name; the steps of all calls are timed together."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}
        self.count: dict[str, int] = {}

    def time(self, name: str, steps: Iterable[object]) -> list[object]:
        begin = time.thread_time()
        results = list(steps)
        self.spent_s[name] = self.spent_s.get(name, 0.0) + time.thread_time() - begin
        self.count[name] = self.count.get(name, 0) + len(results)
        return results

    def us(self, name: str) -> float:
        return self.spent_s[name] / self.count[name] * 1e6


def measure(calls: int = 10, seconds: float = 4.0) -> Floor:
    """As many rounds of one packet per call as are in ``seconds`` of a call."""
    packets, pcm = caller_packets(16_000), voice(2.0, 24_000).tobytes()
    message, reply = bytes(MESSAGE_BYTES), bytes(REPLY_BYTES)
    open_calls = [Call(pcm) for _ in range(calls)]
    watch = Stopwatch()
    try:
        for number in range(round(seconds * PACKETS_PER_S)):
            _round(open_calls, number, packets, message, reply, watch)
    finally:
        for call in open_calls:
            call.close()
    names = Floor.__dataclass_fields__
    return Floor(**{name: watch.us(name.removesuffix("_us")) for name in names})


def _round(
    calls: list[Call],
    number: int,
    packets: tuple[bytes, ...],
    message: bytes,
    reply: bytes,
    watch: Stopwatch,
) -> None:
    for call in calls:
        plain = rtp.header(111, number & 0xFFFF, number * 960, 1) + packets[number % len(packets)]
        call.far_udp.sendto(call.far_send.protect(plain), call.udp.getsockname())
        call.far_tls.send(reply)
    got = watch.time("receive", (call.udp.recvfrom(2048) for call in calls))
    pairs = [(call, taken[0]) for call, taken in zip(calls, got, strict=True)]  # type: ignore[index]
    plains = watch.time("open", (call.receive.unprotect(data) for call, data in pairs))
    payloads = [plain[12:] for plain in plains]  # type: ignore[index]
    watch.time("decode", (c.decoder.decode(p) for c, p in zip(calls, payloads, strict=True)))
    watch.time("tls_write", (call.tls.send(message) for call in calls))
    watch.time("tls_read", (call.tls.recv(16_384) for call in calls))
    at = number % 100 * 960
    coded = watch.time("encode", (call.encoder.encode(call.pcm[at : at + 960]) for call in calls))
    header = rtp.header(111, number & 0xFFFF, number * 960, 2)
    ready = watch.time(
        "protect",
        (call.send.protect(header + c) for call, c in zip(calls, coded, strict=True)),  # type: ignore[operator]
    )
    ways = [
        (call.udp, data, call.far_udp.getsockname())
        for call, data in zip(calls, ready, strict=True)
    ]
    watch.time("send", (udp.sendto(data, to) for udp, data, to in ways))  # type: ignore[call-overload]
    for call in calls:
        call.far_udp.recv(2048)
        call.far_tls.recv(16_384)


def _session(key: bytes, *, inbound: bool = False) -> Session:
    kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
    return Session(Policy(key, kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM))


def _tls_pair() -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Two ends of a TLS connection over TCP on loopback."""
    made = self_signed()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ends: list[ssl.SSLSocket] = []

    def accept() -> None:
        with tempfile.TemporaryDirectory() as folder:
            chain = Path(folder, "chain.pem")
            chain.touch(mode=0o600)
            chain.write_bytes(made.key + made.certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            ends.append(context.wrap_socket(far, server_side=True))

    thread = threading.Thread(target=accept)
    thread.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=made.certificate.decode())
    client = context.wrap_socket(near, server_hostname="127.0.0.1")
    thread.join()
    return client, ends[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench floor", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    floor = measure(options.calls, options.seconds)
    for name, value in asdict(floor).items():
        print(f"{name.removesuffix('_us'):10} {value:7.1f} µs")
    print(f"a call     {floor.percent_per_call:7.2f} % of a core")


if __name__ == "__main__":
    main()
