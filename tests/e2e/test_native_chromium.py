"""Chromium against the WebRTC engines: TCP alone, an ICE restart in mid-call, data channels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.live.local import Rule, Script
from tests.e2e.test_chromium import PATIENCE_MS, microphone, start_call
from tests.support.audio import level_dbfs, samples_of
from tests.support.browser import chromium_page, recording, start_recording
from tests.support.stack import ENGINES, Stack, running_stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

# Keeps what the page's peer connection does, and lets a test change the answers it is given.
_WATCH = """
  window.peers = [];
  window.answers = [];
  window.rewrite = (sdp) => sdp;
  const Peer = RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...options) {
      super(...options);
      window.peers.push(this);
    }
    setRemoteDescription(description) {
      const sdp = window.rewrite(description.sdp);
      window.answers.push(sdp);
      return super.setRemoteDescription({ ...description, sdp });
    }
  };
"""

_TCP_ALONE = r"""
  window.rewrite = (sdp) => sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, "");
"""

_SELECTED = """
async () => {
  const stats = [...(await window.peers[0].getStats()).values()];
  const { selectedCandidatePairId } = stats.find(({ type }) => type === "transport");
  const pair = stats.find(({ id }) => id === selectedCandidatePairId);
  const local = stats.find(({ id }) => id === pair.localCandidateId);
  return { protocol: local.protocol, ufrag: local.usernameFragment };
}
"""
_LOCAL = "() => window.peers[0].localDescription.sdp"

LOUD_DBFS = -45.0  # of a second's tone or sentence within five seconds
TONE = Script(rules=(Rule(tone_ms=1000),), recognize=False, speak=False)


def talker(path: Path) -> Path:
    """A microphone that asks again and again, and leaves time for the reply."""
    return microphone(path, *[2.5, "What time is it?"] * 30)


async def selected(page: Page, *, but_not: str = "") -> dict[str, str]:
    """The browser's end of the path in use, once it belongs to another generation of ICE."""
    for _ in range(100):
        found: dict[str, str] = await page.evaluate(_SELECTED)
        if found["ufrag"] != but_not:
            return found
        await page.wait_for_timeout(100)
    raise AssertionError(f"{found} is still in use")


async def hear_each_other(page: Page, stack: Stack) -> None:
    """From now on the browser hears a reply, and the far end the caller, both in 20 s."""
    record = stack.live.sessions[-1]
    heard, received = len((await recording(page)).samples), len(record.received_audio)
    for _ in range(20):
        await page.wait_for_timeout(1000)
        reply = (await recording(page)).samples[heard:]
        speech = samples_of(bytes(record.received_audio[received:]))
        levels = level_dbfs(reply), level_dbfs(speech)
        if min(levels) > LOUD_DBFS:
            return
    raise AssertionError(f"heard in the browser and at the far end: {levels} dBFS")


@pytest.mark.parametrize("network", ["udp", "tcp"])
async def test_chromium_talks_over_udp_and_over_tcp_alone(tmp_path: Path, network: str) -> None:
    wav = talker(tmp_path / "mic.wav")
    async with running_stack(script=TONE) as stack, chromium_page(wav) as page:
        await page.add_init_script(_WATCH + (_TCP_ALONE if network == "tcp" else ""))
        await start_call(page, stack)
        assert (await selected(page))["protocol"] == network
        await start_recording(page)
        await hear_each_other(page, stack)


async def test_an_ice_restart_in_mid_call_keeps_the_sound_of_both_sides(tmp_path: Path) -> None:
    wav = talker(tmp_path / "mic.wav")
    async with running_stack(script=TONE) as stack, chromium_page(wav) as page:
        await page.add_init_script(_WATCH)
        await start_call(page, stack)
        await start_recording(page)
        before = await selected(page)
        await hear_each_other(page, stack)

        for restarts in (1, 2):
            # As after a change of networks.
            await page.evaluate("() => window.dispatchEvent(new Event('online'))")
            await page.wait_for_function(f"() => window.answers.length === {1 + restarts}")
            after = await selected(page, but_not=before["ufrag"])
            assert f"a=ice-ufrag:{after['ufrag']}" in await page.evaluate(_LOCAL)
            before = after
            await hear_each_other(page, stack)
        assert await page.evaluate("() => window.livegate.call.end") is None
        assert len(stack.calls) == 1


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_data_channel_carries_a_conversation(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.stack.ENGINE", engine)
    wav = microphone(tmp_path / "mic.wav", 30.0)
    async with running_stack() as stack, chromium_page(wav) as page:
        await start_call(page, stack)
        await page.locator("#text").fill("Repeat after me: practice makes perfect")
        await page.keyboard.press("Enter")
        model = page.locator("#log li").nth(1)
        await expect(model).to_contain_text(
            re.compile("practice makes perfect", re.IGNORECASE), timeout=PATIENCE_MS
        )


async def test_an_engine_that_cannot_restart_keeps_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.stack.ENGINE", "aiortc")
    wav = talker(tmp_path / "mic.wav")
    async with running_stack(script=TONE) as stack, chromium_page(wav, may_say="422") as page:
        await page.add_init_script(_WATCH)
        await start_call(page, stack)
        await start_recording(page)
        async with page.expect_response(
            lambda response: response.request.method == "PATCH"
        ) as refused:
            await page.evaluate("() => window.dispatchEvent(new Event('online'))")
        assert (await refused.value).status == 422
        await page.wait_for_timeout(7000)  # longer than a lost connection goes unnoticed
        await hear_each_other(page, stack)
        assert await page.evaluate("() => window.peers[0].signalingState") == "stable"
