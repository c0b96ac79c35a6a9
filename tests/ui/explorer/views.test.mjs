// Several fronts, single samples, saved drawings: worked out by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fronts from "../../../ui/explorer/fronts.js";
import { cloudOf } from "../../../ui/explorer/pack.js";
import * as samples from "../../../ui/explorer/samples.js";
import { paper } from "../../../ui/explorer/svg.js";
import { describeMethods } from "../../../ui/explorer/words.js";
import { near, whole } from "./packed.mjs";

const cloud = (rows) => cloudOf(rows.map((m) => ({ m, lo: m, hi: m, c: [0] })), 1, rows[0].length);

test("a staircase keeps what no other mix beats on two tasks", () => {
  const steps = fronts.staircase(cloud([[1, 5], [2, 4], [2, 3], [3, 1], [0, 5]]), 0, 1);
  assert.deepEqual(steps.map(([x, y]) => [x, y]), [[3, 1], [2, 4], [1, 5]]);
  assert.equal(fronts.reached(steps, 1.5), 4);
  assert.equal(fronts.reached(steps, 3.1), -Infinity);
});

test("two fronts that cross: each is named where it reaches more", () => {
  const mine = fronts.staircase(cloud([[0, 10], [10, 4]]), 0, 1); // 4 up to x = 10, 10 at x = 0 only
  const other = fronts.staircase(cloud([[6, 8], [0, 8.5]]), 0, 1);
  const pieces = fronts.compareFronts(mine, other, 0.1);
  assert.deepEqual(pieces.map((p) => p.who), [1, 0]);
  assert.ok(Math.abs(pieces[0].to - 6) < 0.3);
  assert.deepEqual(fronts.compareFronts(mine, mine, 0.1).map((p) => p.who), [null]);
  assert.deepEqual(fronts.compareFronts(mine, [], 0.1), []);
});

test("the sentence names both sides", () => {
  const text = { and: "and", methodsSame: "same", methodsAlways: "{winner} over {loser}", methodsWhere: "{winner} more {y} than {loser} {list}.", methodsElse: "else same", spanBelow: "below {to}", spanAbove: "from {from}", spanBetween: "{from} to {to}" };
  const task = { sign: 1, scale: 100, suffix: " %", expert: null, floor: 0.01 };
  const say = (pieces) => describeMethods(pieces, "A", "B", "x", "y", task, text, "score");
  assert.equal(say([{ from: 0, to: 0.6, who: 1 }, { from: 0.6, to: 1, who: 0 }]), "A more y than B from 60.0 %. B more y than A below 60.0 %.");
  assert.equal(say([{ from: 0, to: 1, who: 1 }]), "B over A");
  assert.equal(say([{ from: 0, to: 1, who: null }]), "same");
  assert.equal(say([{ from: 0, to: 0.5, who: null }, { from: 0.5, to: 1, who: 0 }]), "A more y than B from 50.0 %. else same");
});

test("the pair that pulls apart most comes first", () => {
  const found = fronts.conflicts(cloud([[0, 3, 0], [1, 2, 1], [2, 1, 2], [3, 0, 4]]), 2);
  assert.deepEqual(found.map(({ x, y }) => [x, y]), [[0, 1], [1, 2]]);
  assert.ok(Math.abs(found[0].r + 1) < 1e-9);
});

test("twenty outcomes are quantiles of the likely range", () => {
  const found = fronts.outcomes(0.5, 0.5 - 1.6449, 0.5 + 1.6449);
  assert.equal(found.length, 20);
  assert.ok(found.every((v, k) => k === 0 || v > found[k - 1]));
  assert.equal(found.filter((v) => v > 0.5).length, 10);
  assert.equal(found.filter((v) => v < 0.5 - 1.6449).length, 1); // 2.5 % lies below the 5 % end
});

test("products in Python's order", () => {
  assert.deepEqual(samples.exponents(2, 2), [[], [0], [1], [0, 0], [0, 1], [1, 1]]);
  assert.equal(samples.exponents(3, 3).length, 20);
});

// Two samples; class 0 gains 2 u, class 1 is constant 1, so the answer turns at u = 0.5, i.e. c = 0.75.
const packed = {
  degree: 1,
  tasks: [{
    task: 0, classes: ["cat", "dog"], k: 2, targets: whole([0, 1]), sample: whole([0, 0, 1, 1]), label: whole([0, 1, 0, 1]),
    weights: Buffer.from(Int16Array.from([0, 100, 0, 100, 200, 0, 200, 0]).buffer).toString("base64"), steps: [0.01, 0.01],
    said: { average: whole([1, 1]), t1: whole([0, 0]) }, steady: [[0, 0, 5], [1, 0, 1]], complete: true, shown: 2, texts: null, sheet: null, side: 72,
  }],
};
const seen = new samples.Samples(packed, [{ low: 0, high: 1 }], 2);

test("a mix answers by its largest output; a checked one by what was measured", () => {
  assert.deepEqual(Array.from(seen.of({ c: [0.7], kind: "predicted" }, 0).said), [1, 1]);
  assert.deepEqual(Array.from(seen.of({ c: [0.8], kind: "pending" }, 0).said), [0, 0]);
  assert.deepEqual(seen.of({ c: [0.1], kind: "checked", id: "t1" }, 0), { said: Uint16Array.from([0, 0]), measured: true });
  assert.equal(seen.of({ c: [], label: "average", id: "elsewhere" }, 0).measured, true);
  assert.equal(seen.of({ c: [0.5], kind: "predicted" }, 1), null);
});

test("won, lost, mix-ups and classes", () => {
  const task = seen.tasks[0];
  assert.deepEqual(samples.changes([0, 0], [1, 1], task.targets), { won: 1, lost: 1 });
  assert.deepEqual(samples.confusion(task, [0, 0]), [[6, 0], [2, 0]]);
  const rows = samples.perClass(task, [0, 0], [1, 1]);
  assert.deepEqual(rows.map(({ n, right, change }) => [n, right, change]), [[6, 6, 1], [2, 0, -1]]);
});

test("McNemar's exact test against values by hand", () => {
  assert.equal(samples.unlikely(0, 0), 1);
  assert.ok(Math.abs(samples.unlikely(5, 0) - 2 / 32) < 1e-12);
  assert.ok(Math.abs(samples.unlikely(8, 2) - (2 * (1 + 10 + 45)) / 1024) < 1e-12);
  assert.equal(samples.unlikely(7, 7), 1);
  const large = samples.unlikely(700, 600); // normal: z = 99 / sqrt(1300) = 2.746
  assert.ok(Math.abs(large - 0.00604) < 2e-4, String(large));
});

test("a drawing as SVG: names become text, never markup", () => {
  const { surface, text } = paper(100, 50, { background: "#fff" });
  const { context } = surface;
  context.save();
  context.translate(10, 20);
  context.font = "600 13px 'Source Sans', sans-serif";
  context.fillText("<b>&", 1, 2);
  context.restore();
  context.beginPath();
  context.arc(5, 5, 2, 0, 2 * Math.PI);
  context.stroke();
  const svg = text('a "name"');
  assert.match(svg, /&lt;b&gt;&amp;<\/text>/);
  assert.match(svg, /transform="translate\(10 20\)"/);
  assert.match(svg, /<title>a &quot;name&quot;<\/title>/);
  assert.match(svg, /M3 5a2 2 0 1 0 4 0a2 2 0 1 0 -4 0Z/);
  near([surface.width, surface.height], [100, 50]);
});
