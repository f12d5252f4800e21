/**
 * How good the connection is, from the statistics a peer connection keeps.
 *
 * `getStats()` counts from the beginning; what a caller feels is the last ten seconds. A meter
 * keeps the counters of the last readings and grades the difference by its worst measure.
 */

/**
 * @typedef {"good" | "fair" | "poor" | "unknown"} Grade
 *
 * @typedef {object} Quality  A measure is null while nothing was measured. In: from the gateway.
 * @property {Grade} grade
 * @property {number | null} rtt_ms
 * @property {number | null} loss_in  share of packets, 0 to 1
 * @property {number | null} loss_out
 * @property {number | null} jitter_in_ms
 * @property {number | null} jitter_out_ms
 * @property {string | null} codec  of what is heard: "opus"
 * @property {string | null} path  "udp", "tcp" or "relayed udp"
 */

const READINGS = 6;

/** Above the first bound a measure is fair, above the second poor. */
export const BOUNDS = {
  rtt_ms: [200, 400],
  loss: [0.02, 0.08],
  jitter_ms: [30, 80],
};

export class QualityMeter {
  /** @type {{received: number, lost: number}[]} */
  #readings = [];

  /**
   * @param {Iterable<[string, any]>} report  an `RTCStatsReport`
   * @returns {Quality}
   */
  read(report) {
    const stats = new Map(report);
    const all = [...stats.values()];
    const inbound = all.find((each) => each.type === "inbound-rtp" && each.kind === "audio");
    const remote = all.find((each) => each.type === "remote-inbound-rtp" && each.kind === "audio");
    const transport = all.find((each) => each.type === "transport");
    // Firefox has no transport entry; it marks the pair itself.
    const pair =
      stats.get(transport?.selectedCandidatePairId) ??
      all.find((each) => each.type === "candidate-pair" && (each.selected || each.nominated));
    const local = stats.get(pair?.localCandidateId);

    const measures = {
      rtt_ms: inMs(pair?.currentRoundTripTime ?? remote?.roundTripTime),
      loss_in: this.#lossIn(inbound),
      loss_out: number(remote?.fractionLost),
      jitter_in_ms: inMs(inbound?.jitter),
      jitter_out_ms: inMs(remote?.jitter),
    };
    return {
      ...measures,
      grade: grade(measures),
      codec: stats.get(inbound?.codecId)?.mimeType?.replace(/^audio\//, "") ?? null,
      path: local ? `${local.candidateType === "relay" ? "relayed " : ""}${local.protocol}` : null,
    };
  }

  /** @param {any} inbound */
  #lossIn(inbound) {
    if (!inbound) return null;
    this.#readings.push({ received: inbound.packetsReceived ?? 0, lost: inbound.packetsLost ?? 0 });
    if (this.#readings.length > READINGS) this.#readings.shift();
    const first = this.#readings[0];
    const last = this.#readings[this.#readings.length - 1];
    if (!first || !last) return null;
    // A packet that comes late is taken off `packetsLost` again: the difference may be negative.
    const lost = Math.max(0, last.lost - first.lost);
    const expected = Math.max(0, last.received - first.received) + lost;
    return expected > 0 ? lost / expected : null;
  }
}

/**
 * @param {Pick<Quality, "rtt_ms" | "loss_in" | "loss_out" | "jitter_in_ms" | "jitter_out_ms">} of
 * @returns {Grade}
 */
export function grade(of) {
  const ranks = [
    rank(of.rtt_ms, BOUNDS.rtt_ms),
    rank(of.loss_in, BOUNDS.loss),
    rank(of.loss_out, BOUNDS.loss),
    rank(of.jitter_in_ms, BOUNDS.jitter_ms),
    rank(of.jitter_out_ms, BOUNDS.jitter_ms),
  ];
  const worst = Math.max(...ranks);
  return /** @type {const} */ (["unknown", "good", "fair", "poor"])[worst] ?? "unknown";
}

/** @param {number | null} value @param {number[]} bounds */
function rank(value, bounds) {
  return value === null ? 0 : 1 + bounds.filter((bound) => value > bound).length;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** @param {unknown} seconds */
function inMs(seconds) {
  const value = number(seconds);
  return value === null ? null : value * 1000;
}
