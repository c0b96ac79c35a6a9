// Numbers that Python sends as base64 texts (ui/packing.py), back to arrays. Pure.

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

export function whole(text) {
  return new Uint16Array(bytes(text));
}

/** (f, p) signed steps, row by row, to numbers. */
export function signedRows(text, steps) {
  const raw = new Int16Array(bytes(text));
  const width = raw.length / steps.length;
  return Float64Array.from(raw, (v, i) => v * steps[Math.floor(i / width)]);
}

function columns(text, [low, high]) {
  const raw = whole(text);
  const width = low.length;
  const scale = high.map((h, k) => (h - low[k]) / 65535);
  return Float64Array.from(raw, (v, i) => low[i % width] + v * scale[i % width]);
}

/** A packed cloud as maths.js wants it: {n, T, d, m, lo, hi, c}. */
export function unpackCloud(packed) {
  const { n, T, d, scales } = packed;
  if (!n) return { n, T, d, m: [], lo: [], hi: [], c: [] };
  const [m, lo, hi] = ["m", "lo", "hi"].map((name) => columns(packed[name], scales.m));
  return { n, T, d, m, lo, hi, c: columns(packed.c, scales.c) };
}

/** Rows {c, m, lo, hi} as a cloud; a row without strengths gets zeros. */
export function cloudOf(rows, d, T) {
  const flat = (name, width) => Float64Array.from(rows.flatMap((r) => (r[name].length === width ? r[name] : new Array(width).fill(0))));
  return { n: rows.length, T, d, m: flat("m", T), lo: flat("lo", T), hi: flat("hi", T), c: flat("c", d) };
}
