import assert from "node:assert/strict";
import { test } from "node:test";
import { loudness, Meter, Microphone, openMicrophone, Sound, within } from "../../web/audio.js";
import { fakeStream } from "./fakes.js";

const NEVER = new Promise(() => {});

/** A context whose analyser hears a tone, or that never wakes up. */
function fakeContext({ state = "suspended", resume = async () => {} } = {}) {
  const context = {
    state,
    sampleRate: 48_000,
    connected: 0,
    async resume() {
      await resume();
      context.state = "running";
    },
    async suspend() {
      context.state = "suspended";
    },
    createAnalyser: () => ({
      context,
      fftSize: 2048,
      get frequencyBinCount() {
        return this.fftSize / 2;
      },
      getFloatTimeDomainData: (samples) => samples.fill(0.1),
      getByteFrequencyData: (bins) => bins.fill(255, 0, 20),
    }),
    createMediaStreamSource: () => ({
      connect: () => context.connected++,
      disconnect: () => context.connected--,
    }),
  };
  return context;
}

function fakeElement(play = async () => {}) {
  return { srcObject: null, play, pause() {} };
}

test("the microphone is asked for with echo cancellation", async () => {
  let asked;
  const stream = fakeStream();
  const microphone = await openMicrophone({
    getUserMedia: async (constraints) => {
      asked = constraints;
      return stream;
    },
  });
  assert.equal(microphone.stream, stream);
  assert.equal(asked.audio.echoCancellation, true);
  assert.equal(asked.video, undefined);
});

test("a page without media devices has no microphone", async () => {
  await assert.rejects(openMicrophone(undefined), TypeError);
});

test("a muted microphone goes on, in silence", () => {
  const microphone = new Microphone(fakeStream());
  microphone.muted = true;
  assert.deepEqual([microphone.track.enabled, microphone.track.stopped], [false, false]);
  microphone.muted = false;
  assert.equal(microphone.track.enabled, true);
  microphone.close();
  assert.equal(microphone.track.stopped, true);
});

test("a microphone that goes away is told once", () => {
  const microphone = new Microphone(fakeStream());
  let lost = 0;
  microphone.onLost(() => lost++);
  microphone.track.dispatchEvent(new Event("ended"));
  microphone.track.dispatchEvent(new Event("ended"));
  assert.equal(lost, 1);
});

test("a context that wakes up has meters", async () => {
  const context = fakeContext();
  const sound = new Sound(fakeElement(), () => context);
  assert.equal(await sound.unlock(), true);
  const meter = sound.meter(fakeStream());
  assert.equal(context.connected, 1);
  assert.ok(Math.abs(meter.level() - 40 / 48) < 0.001, "-20 dBFS is 40 of the 48 dB shown");
  meter.close();
  assert.equal(context.connected, 0);
});

test("a context that never wakes up holds nothing up", async () => {
  const sound = new Sound(fakeElement(), () => fakeContext({ resume: () => NEVER }));
  assert.equal(await sound.unlock(), false);
});

test("a browser without WebAudio has no meters, and calls all the same", async () => {
  const sound = new Sound(fakeElement(), () => {
    throw new TypeError("AudioContext is not a constructor");
  });
  assert.equal(await sound.unlock(), false);
  assert.equal(sound.meter(fakeStream()), null);
});

test("playing says whether a gesture is needed", async () => {
  const refuse = async () => {
    throw new DOMException("no gesture", "NotAllowedError");
  };
  const stream = fakeStream();
  const element = fakeElement();
  assert.equal(await new Sound(element).play(stream), "playing");
  assert.equal(element.srcObject, stream);
  assert.equal(await new Sound(fakeElement(refuse)).play(stream), "blocked");
});

test("a play that is overtaken by another is not blocked", async () => {
  const overtaken = async () => {
    throw new DOMException("a new load", "AbortError");
  };
  assert.equal(await new Sound(fakeElement(overtaken)).play(fakeStream()), "waiting");
});

test("after a call the context sleeps, and the next call wakes it", async () => {
  const context = fakeContext();
  const sound = new Sound(fakeElement(), () => context);
  await sound.unlock();
  sound.stop();
  assert.equal(context.state, "suspended");
  assert.equal(await sound.unlock(), true);
});

test("bands are low to high, 0 to 1", () => {
  const bands = new Meter(fakeContext(), fakeStream()).bands(new Float32Array(8));
  assert.equal(bands[0], 1);
  assert.equal(bands[7], 0);
});

test("loudness is even in decibels, silence is 0 and full scale 1", () => {
  const at = (amplitude) => loudness(new Float32Array(64).fill(amplitude));
  assert.equal(at(0), 0);
  assert.equal(at(1), 1);
  const [soft, middle, loud] = [at(0.003), at(0.03), at(0.3)];
  assert.ok(Math.abs(middle - soft - (loud - middle)) < 0.25 && soft < middle && middle < loud);
});

test("what does not settle is left behind in time", async () => {
  assert.equal(await within(1, NEVER), false);
  assert.equal(await within(1000, Promise.resolve()), true);
  await assert.rejects(within(1000, Promise.reject(new Error("no"))), /no/);
});
