// Points as ui/packing.py packs them, for the tests.
import assert from "node:assert/strict";

const base64 = (array) => Buffer.from(array.buffer).toString("base64");

export const whole = (values) => base64(Uint16Array.from(values));

export function packed(rows) {
  const ends = (names, k) => [Math.min, Math.max].map((pick) => pick(...names.flatMap((name) => rows.map((r) => r[name][k]))));
  const scale = (names, width) => Array.from({ length: width }, (_, k) => ends(names, k));
  const [d, T] = [rows[0].c.length, rows[0].m.length];
  const scales = { c: scale(["c"], d), m: scale(["m", "lo", "hi"], T) };
  const text = (name) => whole(rows.flatMap((r) => r[name].map((v, k) => {
    const [low, high] = scales[name === "c" ? "c" : "m"][k];
    return Math.round(((v - low) / (high - low || 1)) * 65535);
  })));
  const turned = (list) => [0, 1].map((side) => list.map((pair) => pair[side]));
  return { n: rows.length, d, T, c: text("c"), m: text("m"), lo: text("lo"), hi: text("hi"), scales: { c: turned(scales.c), m: turned(scales.m) } };
}

export function near(found, wanted, tolerance = 5e-5) {
  assert.equal(found.length, wanted.length);
  found.forEach((v, k) => assert.ok(Math.abs(v - wanted[k]) <= tolerance, `${found} against ${wanted}`));
}
