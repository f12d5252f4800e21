"""Answers given to the stacks whose offers they answer."""

from __future__ import annotations

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from gateway.rtc.negotiation import negotiate
from tests.gateway.rtc.offers import LOCAL
from tests.support.browser import chromium_page

# Makes an offer in the page and leaves the connection there for its answer.
_OFFER = """
async ({ policy, kinds, isSimulcast }) => {
  const pc = new RTCPeerConnection({ bundlePolicy: policy });
  window.pc = pc;
  for (const [kind, direction] of kinds) {
    if (kind === "data") pc.createDataChannel("events");
    else if (kind === "video" && isSimulcast)
      pc.addTransceiver(kind, { direction, sendEncodings: [{ rid: "q" }, { rid: "f" }] });
    else pc.addTransceiver(kind, { direction });
  }
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""
# Gives the directions of the transceivers that are left; a rejected section's is not.
_ANSWER = """
async (sdp) => {
  await pc.setRemoteDescription({ type: "answer", sdp });
  return pc.getTransceivers().map((each) => each.currentDirection);
}
"""
_AGAIN = """
async (direction) => {
  pc.getTransceivers().find((each) => each.receiver.track.kind === "audio").direction = direction;
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""

AUDIO, DATA = ["audio", "sendrecv"], ["data", ""]


@pytest.mark.integration
async def test_aiortc_takes_the_answer_to_its_own_offer() -> None:
    peer = RTCPeerConnection()
    try:
        peer.addTrack(AudioStreamTrack())
        peer.createDataChannel("events")
        await peer.setLocalDescription(await peer.createOffer())
        agreed = negotiate(peer.localDescription.sdp, LOCAL)
        assert [slot.use for slot in agreed.slots] == ["audio", "data"]
        await peer.setRemoteDescription(RTCSessionDescription(sdp=agreed.answer, type="answer"))
        assert peer.signalingState == "stable"
        assert peer.getTransceivers()[0].currentDirection == "sendrecv"
    finally:
        await peer.close()


@pytest.mark.e2e
@pytest.mark.timeout(120)
async def test_chromium_takes_the_answers_to_its_offers() -> None:
    cases: list[tuple[str, list[list[str]], bool, list[str]]] = [
        ("balanced", [AUDIO, DATA], False, ["sendrecv"]),
        ("max-bundle", [AUDIO, ["video", "sendrecv"], DATA], True, ["sendrecv"]),
        ("max-bundle", [["video", "sendonly"], AUDIO, DATA], False, ["inactive", "sendrecv"]),
        ("balanced", [["video", "sendonly"], AUDIO], False, ["inactive", "sendrecv"]),
        ("balanced", [AUDIO, AUDIO], False, ["sendrecv"]),
        ("balanced", [["audio", "inactive"], AUDIO, DATA], False, ["inactive", "sendrecv"]),
        ("max-compat", [["audio", "sendonly"]], False, ["sendonly"]),
        ("max-bundle", [DATA, ["audio", "recvonly"]], False, ["recvonly"]),
    ]
    async with chromium_page() as page:
        await page.goto("data:text/html,<p>offers</p>")
        for policy, kinds, is_simulcast, directions in cases:
            offer = await page.evaluate(
                _OFFER, {"policy": policy, "kinds": kinds, "isSimulcast": is_simulcast}
            )
            first = negotiate(offer, LOCAL)
            assert await page.evaluate(_ANSWER, first.answer) == directions
            later = await page.evaluate(_AGAIN, "inactive")
            again = negotiate(later, LOCAL, first)
            assert not again.restarted
            await page.evaluate(_ANSWER, again.answer)
            await page.evaluate("() => pc.restartIce()")
            restart = await page.evaluate(_AGAIN, "sendrecv")
            assert negotiate(restart, LOCAL, again).restarted
            await page.evaluate("() => pc.close()")
