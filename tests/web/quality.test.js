import assert from "node:assert/strict";
import { test } from "node:test";
import { grade, QualityMeter } from "../../web/quality.js";

/** A report as `getStats()` gives it: Chromium's entries, those a caller needs. */
function report({ received = 0, lost = 0, rtt = 0.02, jitter = 0.004, fractionLost = 0 } = {}) {
  return new Map([
    ["T", { type: "transport", selectedCandidatePairId: "P2" }],
    ["P1", { type: "candidate-pair", nominated: true, currentRoundTripTime: 9 }],
    ["P2", { type: "candidate-pair", currentRoundTripTime: rtt, localCandidateId: "L" }],
    ["L", { type: "local-candidate", candidateType: "host", protocol: "udp" }],
    [
      "I",
      {
        type: "inbound-rtp",
        kind: "audio",
        packetsReceived: received,
        packetsLost: lost,
        jitter,
        codecId: "C",
      },
    ],
    ["C", { type: "codec", mimeType: "audio/opus" }],
    ["R", { type: "remote-inbound-rtp", kind: "audio", fractionLost, jitter: 0.003 }],
  ]);
}

test("a clean connection is good, with its numbers", () => {
  const meter = new QualityMeter();
  meter.read(report({ received: 0 }));
  assert.deepEqual(meter.read(report({ received: 100 })), {
    grade: "good",
    rtt_ms: 20,
    loss_in: 0,
    loss_out: 0,
    jitter_in_ms: 4,
    jitter_out_ms: 3,
    codec: "opus",
    path: "udp",
  });
});

test("an empty report is unknown, not good", () => {
  const { grade: word, ...measures } = new QualityMeter().read(new Map());
  assert.equal(word, "unknown");
  assert.ok(Object.values(measures).every((value) => value === null));
});

test("loss is that of the last readings, not of the whole call", () => {
  const meter = new QualityMeter();
  meter.read(report({ received: 0, lost: 0 }));
  assert.equal(meter.read(report({ received: 90, lost: 10 })).loss_in, 0.1);
  let quality;
  for (let i = 1; i <= 6; i++) quality = meter.read(report({ received: 90 + 100 * i, lost: 10 }));
  assert.equal(quality.loss_in, 0);
});

test("packets that come after all make no negative loss", () => {
  const meter = new QualityMeter();
  meter.read(report({ received: 90, lost: 10 }));
  assert.equal(meter.read(report({ received: 200, lost: 5 })).loss_in, 0);
});

test("while the model is silent no packets come, and no loss is claimed", () => {
  const meter = new QualityMeter();
  meter.read(report({ received: 50, lost: 1 }));
  assert.equal(meter.read(report({ received: 50, lost: 1 })).loss_in, null);
});

test("the worst measure makes the grade", () => {
  const good = { rtt_ms: 20, loss_in: 0, loss_out: 0, jitter_in_ms: 5, jitter_out_ms: 5 };
  assert.equal(grade(good), "good");
  assert.equal(grade({ ...good, rtt_ms: 201 }), "fair");
  assert.equal(grade({ ...good, loss_in: 0.05 }), "fair");
  assert.equal(grade({ ...good, loss_out: 0.2 }), "poor");
  assert.equal(grade({ ...good, jitter_in_ms: 90, rtt_ms: 201 }), "poor");
  assert.equal(grade({ ...good, loss_in: null, loss_out: null }), "good");
});

test("a pair that is only marked as selected is found too, and a relay is named", () => {
  const stats = new Map([
    [
      "P",
      { type: "candidate-pair", selected: true, currentRoundTripTime: 0.1, localCandidateId: "L" },
    ],
    ["L", { candidateType: "relay", protocol: "tcp" }],
  ]);
  const { rtt_ms, path } = new QualityMeter().read(stats);
  assert.deepEqual([rtt_ms, path], [100, "relayed tcp"]);
});
