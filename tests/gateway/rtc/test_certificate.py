"""The certificate of the process, and the judgement of a peer's."""

from __future__ import annotations

import datetime

import pytest
from aiortc import RTCCertificate
from OpenSSL import crypto

from gateway.rtc.certificate import Certificate, FingerprintCheck

pytestmark = pytest.mark.unit

NOON = datetime.datetime(2030, 5, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def shown() -> RTCCertificate:
    return RTCCertificate.generateCertificate()


def judge(shown: RTCCertificate, fingerprints: list[tuple[str, str]]) -> bool:
    check = FingerprintCheck(fingerprints)
    assert check.matched is None
    judgement = check.look(crypto.X509.from_cryptography(shown._cert))
    assert check.matched is judgement
    return judgement


def test_it_lives_thirty_days_and_is_renewed_before() -> None:
    certificate = Certificate(NOON)
    assert certificate.expires_at == NOON + 30 * DAY
    assert not certificate.needs_renewal(NOON + 22 * DAY)
    assert certificate.needs_renewal(NOON + 23 * DAY)


def test_the_fingerprint_is_written_as_sdp_writes_it() -> None:
    octets = Certificate().fingerprint.split(":")
    assert len(octets) == 32
    assert all(len(octet) == 2 and octet == octet.upper() for octet in octets)


def test_two_certificates_differ() -> None:
    assert Certificate().fingerprint != Certificate().fingerprint


def test_each_digest_is_understood_in_any_case(shown: RTCCertificate) -> None:
    for known in shown.getFingerprints():
        assert judge(shown, [(known.algorithm, known.value)])
        assert judge(shown, [(known.algorithm.upper(), known.value.lower())])
        assert not judge(shown, [(known.algorithm, known.value[:-2] + "  ")])


def test_the_strongest_digest_counts_and_one_of_its_values_is_enough(shown: RTCCertificate) -> None:
    right = {known.algorithm: known.value for known in shown.getFingerprints()}
    wrong = {name: ":".join(["00"] * (value.count(":") + 1)) for name, value in right.items()}
    assert judge(shown, [("sha-256", wrong["sha-256"]), ("sha-256", right["sha-256"])])
    assert judge(shown, [("sha-256", wrong["sha-256"]), ("sha-512", right["sha-512"])])
    assert not judge(shown, [("sha-256", right["sha-256"]), ("sha-512", wrong["sha-512"])])
    assert judge(shown, [("md5", "00"), ("sha-256", right["sha-256"])])


def test_nothing_known_matches_nothing(shown: RTCCertificate) -> None:
    assert not judge(shown, [])
    assert not judge(shown, [("md5", "00:11"), ("sha-1", "00:11")])
