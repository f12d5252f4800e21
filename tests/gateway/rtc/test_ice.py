"""The lite agent against peers of every manner: which path it takes, and who cannot move it."""

from __future__ import annotations

import struct

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtc.ice import (
    LOST_S,
    MAX_PATHS,
    MAX_TRANSACTIONS,
    MEDIA_GAP_S,
    QUIET_S,
    IceAgent,
    IceCredentials,
)
from tests.gateway.rtc import stun_samples as samples
from tests.gateway.rtc.stun_samples import RFC_PWD, RFC_REQUEST, check, error_code

pytestmark = pytest.mark.unit

OURS = IceCredentials("ours", "our-password-of-22-chars")
THEIRS = IceCredentials("them", "their-password-22-chars")
NEW = IceCredentials("newer", "another-password-22-chars")
NEWEST = IceCredentials("newest", "a-third-password-22-chars")
WIFI, MOBILE, TCP = "wifi", "mobile", "tcp"
ADDRESS = ("192.0.2.1", 32853)


def agent() -> IceAgent[str]:
    return IceAgent(OURS, THEIRS, now=0.0)


def ping(
    ice: IceAgent[str],
    path: str,
    now: float,
    *,
    nominate: bool = False,
    local: IceCredentials = OURS,
) -> int:
    """A fresh check by this path; the error code of the answer, 0 for success."""
    request = check(f"{local.ufrag}:them", local.pwd, nominate=nominate)
    return error_code(ice.receive(request, path, ADDRESS, now))


# What is answered how.


def test_a_check_is_answered_and_selects() -> None:
    ice = agent()
    assert ice.selected is None
    request = check("ours:them", OURS.pwd)
    answer = ice.receive(request, WIFI, ADDRESS, 1.0)
    assert answer is not None
    assert answer[:2] == b"\x01\x01"
    parsed = aioice.stun.parse_message(answer)
    assert parsed.transaction_id == request[8:20]
    assert parsed.attributes["XOR-MAPPED-ADDRESS"] == ADDRESS
    assert parsed.check_message_integrity(OURS.pwd.encode())
    assert ice.selected == WIFI
    assert (ice.checks, ice.refused, ice.dropped) == (1, 0, 0)


def test_the_published_request_is_genuine_but_of_the_wrong_role() -> None:
    ice: IceAgent[str] = IceAgent(
        IceCredentials("evtj", RFC_PWD), IceCredentials("h6vY", ""), now=0.0
    )
    assert error_code(ice.receive(RFC_REQUEST, WIFI, ADDRESS, 1.0)) == 487
    assert ice.selected is None
    # The same bytes from a peer that has changed its role.
    body = RFC_REQUEST[20:-32].replace(b"\x80\x29\0\x08", b"\x80\x2a\0\x08")
    signed = samples.sign(samples.message(1, RFC_REQUEST[8:20], body), RFC_PWD)
    assert error_code(ice.receive(samples.stamp(signed), WIFI, ADDRESS, 2.0)) == 0
    assert ice.selected == WIFI


def test_a_role_conflict_is_always_ours_to_point_out() -> None:
    for tie_breaker in (0, 2**64 - 1):
        role = samples.attribute(samples.ICE_CONTROLLED, struct.pack("!Q", tie_breaker))
        request = check("ours:them", OURS.pwd, role=0x8022, extra=role)
        answer = agent().receive(request, WIFI, ADDRESS, 1.0)
        assert error_code(answer) == 487
        assert samples.INTEGRITY in samples.attributes(answer or b"")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (samples.message(1, bytes(12), b""), 400),
        (samples.message(1, bytes(12), samples.attribute(samples.USERNAME, b"ours:them")), 400),
        (samples.sign(samples.message(1, bytes(12), b""), OURS.pwd), 400),
        (check("ours:them", OURS.pwd + "x"), 401),
        (check("others:them", OURS.pwd), 401),
        (check("ours", OURS.pwd), 401),
        (check("them:ours", THEIRS.pwd), 401),
        (check("ours:them", OURS.pwd, extra=samples.attribute(0x7777)), 420),
    ],
)
def test_what_is_refused_changes_nothing(request_: bytes, code: int) -> None:
    ice = agent()
    answer = ice.receive(request_, WIFI, ADDRESS, 5.0)
    assert error_code(answer) == code
    assert (samples.INTEGRITY in samples.attributes(answer or b"")) == (code == 420)
    assert ice.selected is None
    assert (ice.checks, ice.refused, ice.dropped) == (0, 1, 0)
    assert ice.deadline() == LOST_S


def test_a_check_without_fingerprint_or_with_unknown_options_is_good() -> None:
    ice = agent()
    bare = check("ours:them", OURS.pwd, fingerprint=False)
    assert error_code(ice.receive(bare, WIFI, ADDRESS, 1.0)) == 0
    # Chromium's GOOG-NETWORK-INFO and nomination; a trickled peer's other fragment.
    extra = samples.attribute(0xC057, bytes(4)) + samples.attribute(0xC001, bytes(4))
    assert (
        error_code(ice.receive(check("ours:else", OURS.pwd, extra=extra), WIFI, ADDRESS, 1.0)) == 0
    )


def test_indications_are_taken_silently_and_answers_dropped() -> None:
    ice = agent()
    assert ice.receive(samples.message(0x0011, bytes(12), b""), WIFI, ADDRESS, 1.0) is None
    assert ice.dropped == 0
    for kind in (0x0101, 0x0111, 0x0003):
        assert ice.receive(samples.message(kind, bytes(12), b""), WIFI, ADDRESS, 1.0) is None
    assert ice.dropped == 3
    assert ice.selected is None


def test_a_repeated_request_is_answered_alike_and_counts_once_for_the_path() -> None:
    ice = agent()
    nomination = check("ours:them", OURS.pwd, nominate=True)
    first = ice.receive(nomination, WIFI, ADDRESS, 1.0)
    assert ping(ice, MOBILE, 2.0, nominate=True) == 0
    assert ice.receive(nomination, WIFI, ADDRESS, 3.0) == first
    assert ice.selected == MOBILE


def test_somebody_elses_copy_of_a_check_moves_nobody() -> None:
    ice = agent()
    overheard = check("ours:them", OURS.pwd, nominate=True)
    ice.receive(overheard, WIFI, ADDRESS, 1.0)
    ice.receive(overheard, "attacker", ("203.0.113.9", 9), 20.0)
    ice.heard("attacker", 20.0)
    assert ice.selected == WIFI


# Which path is taken.


def test_nomination_moves_at_once_and_the_newest_wins() -> None:
    ice = agent()
    ping(ice, WIFI, 1.0)
    for now, path in ((1.01, MOBILE), (1.02, WIFI), (1.03, TCP)):
        ping(ice, path, now, nominate=True)
        assert ice.selected == path


def test_plain_checks_of_other_pairs_do_not_move_a_living_call() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    for second in range(1, 60):
        if second % 2:  # consent on the selected pair, no media
            ping(ice, WIFI, float(second))
        ping(ice, MOBILE, second + 0.5)
        assert ice.selected == WIFI


def test_media_alone_keeps_a_path_alive() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0)
    for step in range(1, 100):
        ice.heard(WIFI, step * 0.4)
        ping(ice, MOBILE, step * 0.4 + 0.1)
    assert ice.selected == WIFI


def test_a_plain_check_moves_a_call_whose_path_fell_silent() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ice.heard(WIFI, 2.0)
    ping(ice, MOBILE, 2.0 + QUIET_S - 0.01)
    assert ice.selected == WIFI
    ping(ice, MOBILE, 2.0 + QUIET_S)
    assert ice.selected == MOBILE


def test_media_from_a_new_port_moves_only_after_a_check() -> None:
    """A NAT chose another port; consent checks come without USE-CANDIDATE."""
    ice = agent()
    old, new = "nat:1", "nat:2"
    ping(ice, old, 0.0, nominate=True)
    ice.heard(old, 1.0)
    for step in range(50):
        ice.heard(new, 1.02 + step * 0.02)
    assert ice.selected == old
    ping(ice, new, 2.03)
    assert ice.selected == old
    ice.heard(new, 2.04)
    assert ice.selected == new


def test_stragglers_do_not_move_the_call_back() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ice.heard(WIFI, 1.0)
    ping(ice, MOBILE, 1.01, nominate=True)
    ice.heard(WIFI, 1.05)
    assert ice.selected == MOBILE
    ice.heard(MOBILE, 1.06)
    ice.heard(WIFI, 1.06 + MEDIA_GAP_S - 0.01)
    assert ice.selected == MOBILE


def test_media_elsewhere_moves_when_the_selected_path_carries_none() -> None:
    """The peer went back to a pair it had checked, and says so by media alone."""
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ping(ice, MOBILE, 0.1)
    ice.heard(WIFI, 1.0)
    ice.heard(MOBILE, 1.0 + MEDIA_GAP_S)
    assert ice.selected == MOBILE


def test_before_nomination_media_shows_the_way() -> None:
    """Chromium's first check and its DTLS may take different pairs."""
    ice = agent()
    ping(ice, WIFI, 0.0)
    ping(ice, MOBILE, 0.01)
    assert ice.selected == WIFI
    ice.heard(MOBILE, 0.02)
    assert ice.selected == MOBILE


def test_a_closed_path_is_left_for_the_liveliest() -> None:
    ice = agent()
    ping(ice, TCP, 0.0, nominate=True)
    ping(ice, WIFI, 0.1)
    ping(ice, MOBILE, 0.2)
    ice.forget(WIFI)
    assert ice.selected == TCP
    ice.forget(TCP)
    assert ice.selected == MOBILE
    ice.forget(MOBILE)
    ice.forget(MOBILE)
    assert ice.selected is None
    ping(ice, WIFI, 0.3)
    assert ice.selected == WIFI


def test_paths_and_transactions_are_bounded() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    for step in range(MAX_TRANSACTIONS * 2):
        ping(ice, f"port {step}", 0.001 * step)
    assert ice.selected == WIFI
    assert len(ice._pairs) == MAX_PATHS
    assert len(ice._transactions) == MAX_TRANSACTIONS
    ice.heard("port 0", 10.0)  # long forgotten
    assert ice.selected == WIFI
    ice.heard(f"port {MAX_TRANSACTIONS * 2 - 1}", 10.0)
    assert ice.selected == f"port {MAX_TRANSACTIONS * 2 - 1}"


# Restarts.


def test_a_restart_keeps_the_old_path_until_a_check_with_the_new_credentials() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ice.restart(NEW, THEIRS, 1.0)
    assert ice.selected == WIFI
    assert ice.ufrags == ("newer", "ours")
    assert ping(ice, WIFI, 1.1) == 0
    ice.heard(WIFI, 1.2)
    assert ping(ice, MOBILE, 1.3, nominate=True, local=NEW) == 0
    assert ice.selected == MOBILE
    assert ice.has_checked(MOBILE)
    assert not ice.has_checked(WIFI)
    assert ice.ufrags == ("newer",)
    assert ping(ice, WIFI, 1.4, nominate=True) == 401
    ice.heard(WIFI, 10.0)  # its check was with credentials that are gone
    assert ice.selected == MOBILE


def test_while_both_paths_live_a_restart_waits_for_the_peers_choice() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ice.restart(NEW, THEIRS, 1.0)
    for step in range(100):
        ice.heard(WIFI, 1.0 + step * 0.02)
    ping(ice, MOBILE, 2.9, local=NEW)
    assert ice.selected == WIFI
    assert ping(ice, WIFI, 2.95) == 0
    ping(ice, MOBILE, 2.96, local=NEW, nominate=True)
    assert ice.selected == MOBILE


def test_a_restart_on_the_same_path_is_done_by_its_first_check() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ping(ice, MOBILE, 0.0)
    ice.restart(NEW, THEIRS, 1.0)
    ping(ice, WIFI, 1.1, local=NEW)
    assert ice.selected == WIFI
    assert ice.ufrags == ("newer",)
    ice.heard(MOBILE, 9.0)
    assert ice.selected == WIFI


def test_of_two_restarts_in_a_row_the_last_and_the_working_one_are_good() -> None:
    ice = agent()
    ping(ice, WIFI, 0.0, nominate=True)
    ice.restart(NEW, THEIRS, 1.0)
    ping(ice, MOBILE, 1.1, local=NEW)
    ice.restart(NEWEST, THEIRS, 1.2)
    assert ping(ice, WIFI, 1.3) == 0
    assert ping(ice, MOBILE, 1.3, local=NEW) == 401
    assert ping(ice, MOBILE, 1.4, local=NEWEST, nominate=True) == 0
    assert ice.selected == MOBILE
    assert ice.ufrags == ("newest",)


def test_a_restart_before_anything_was_selected() -> None:
    ice = agent()
    ice.restart(NEW, THEIRS, 1.0)
    assert ping(ice, WIFI, 1.1) == 0
    assert ice.selected == WIFI
    assert ping(ice, WIFI, 1.2, local=NEW) == 0
    assert ping(ice, WIFI, 1.3) == 401


# Life.


def test_lost_is_six_seconds_without_anything_authenticated() -> None:
    ice = agent()
    assert not ice.is_lost(LOST_S - 0.01)
    assert ice.is_lost(LOST_S)
    ping(ice, WIFI, 10.0)
    assert ice.deadline() == 10.0 + LOST_S
    ice.receive(check("ours:them", "wrong"), WIFI, ADDRESS, 12.0)
    ice.receive(samples.message(0x0011, bytes(12), b""), WIFI, ADDRESS, 12.0)
    assert ice.deadline() == 10.0 + LOST_S
    ice.heard("anywhere", 13.0)
    assert ice.deadline() == 13.0 + LOST_S
    ice.restart(NEW, THEIRS, 14.0)
    assert not ice.is_lost(14.0 + LOST_S - 0.01)
    assert ice.is_lost(14.0 + LOST_S)


def test_a_copied_check_does_not_keep_a_dead_call() -> None:
    ice = agent()
    overheard = check("ours:them", OURS.pwd)
    ice.receive(overheard, WIFI, ADDRESS, 1.0)
    ice.receive(overheard, WIFI, ADDRESS, 6.0)
    assert ice.is_lost(1.0 + LOST_S)


def test_credentials_are_random_enough_and_secret() -> None:
    made = [IceCredentials.make() for _ in range(50)]
    assert len({each.ufrag for each in made}) == len({each.pwd for each in made}) == 50
    ice_chars = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for each in made:
        assert len(each.ufrag) >= 4
        assert len(each.pwd) >= 22
        assert set(each.ufrag + each.pwd) <= ice_chars
        assert each.pwd not in repr(each)


# What strangers may send.


@given(st.binary(max_size=200))
def test_any_bytes_select_nothing(data: bytes) -> None:
    ice = agent()
    ice.receive(data, WIFI, ADDRESS, 1.0)
    ice.receive(samples.message(1, bytes(12), data), WIFI, ADDRESS, 1.0)
    assert ice.selected is None
    assert ice.checks == 0
    assert ice.dropped + ice.refused == 2 - (data[:2] == b"\0\x11" and ice.dropped == 0)


VALID = check("ours:them", OURS.pwd, nominate=True, transaction=bytes(12))
SIGNED_BYTES = len(VALID) - 8


@given(st.data())
def test_mutated_checks_select_nothing(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, SIGNED_BYTES - 1))
    mutation = data.draw(st.binary(max_size=4).filter(lambda new: new != VALID[at : at + len(new)]))
    rest = VALID[at + (data.draw(st.integers(0, 4)) or len(mutation)) : SIGNED_BYTES]
    mutated = VALID[:at] + mutation + rest
    if mutated == VALID[:SIGNED_BYTES]:
        return
    ice = agent()
    stamped = samples.stamp(mutated[:1400])
    for whole in (mutated, mutated + VALID[SIGNED_BYTES:], stamped):
        if whole == VALID:  # the stamp has put right what was changed: the length
            continue
        ice.receive(whole, WIFI, ADDRESS, 1.0)
        assert ice.selected is None
