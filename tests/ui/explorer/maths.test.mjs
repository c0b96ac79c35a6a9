// The arithmetic of the explorer, with small clouds worked out by hand. Run by pytest, or: node --test tests/ui/explorer/
import assert from "node:assert/strict";
import { test } from "node:test";
import * as maths from "../../../ui/explorer/maths.js";
import * as words from "../../../ui/explorer/words.js";
import { Store } from "../../../ui/explorer/store.js";
import { near, packed } from "./packed.mjs";

const rows = [[0.9, 0.5], [0.8, 0.7], [0.7, 0.8], [0.5, 0.9]];
const cloud = {
  n: 4, T: 2, d: 2,
  m: Float64Array.from(rows.flat()),
  lo: Float64Array.from(rows.flat().map((v) => v - 0.05)),
  hi: Float64Array.from(rows.flat().map((v) => v + 0.05)),
  c: Float64Array.from([1, 0, 0.8, 0.3, 0.5, 0.5, 0, 1]),
};
const task = (name, extra = {}) => ({
  name, title: name, metric: "accuracy", sign: 1, scale: 100, suffix: " %", gainSuffix: " points",
  floor: 0.01, bounds: [0, 1], expert: 0.9, base: 0.4, average: 0.6, ...extra,
});
const tasks = [task("a"), task("b")];
const text = {
  and: "and", keeps: "{share} % of {task}", thisKeeps: "keeps {list}.", against: "against {other}: {list}.", about: "about ",
  gainCount: "{about}{count} of {n} more {task}", lossCount: "{about}{count} of {n} fewer {task}", gainSame: "{task} same",
  gainPoints: "{points} {unit} better {task}", lossPoints: "{points} {unit} worse {task}", pointsWord: "points",
  likelyRange: "likely {range}", likelyTight: "within {half}",
  methodsSame: "same", methodsAlways: "{winner} over {loser}", methodsWhere: "{winner} {list}.", methodsElse: "else same",
  spanBelow: "below {to}", spanAbove: "from {from}", spanBetween: "{from} to {to}", aboutSame: "(same)", noMinimum: "all {n}", limits: "{list} rules out {share}: {alive} of {n}",
  notPossible: "no", free: "free", costs: "costs {list}",
};
const message = (extra = {}) => ({
  rev: "1", study: "s", tasks, text, unit: "score", emulator: null, exact: null,
  experts: [{ name: "a", title: "a", low: 0, high: 1 }, { name: "b", title: "b", low: 0, high: 1 }],
  method: { name: "ta", title: "Task arithmetic" }, others: [], cloud: packed(rows.map((m, i) => ({ c: [cloud.c[2 * i], cloud.c[2 * i + 1]], m, lo: m.map((v) => v - 0.05), hi: m.map((v) => v + 0.05) }))),
  checked: [], start: {}, ...extra,
});

test("survey counts survivors and says how far each minimum can still go", () => {
  const found = maths.survey(cloud, [0.75, null]);
  assert.equal(found.alive, 2);
  assert.deepEqual(found.reach, [0.9, 0.7]); // b can reach 0.7 while a stays at 0.75; a is free to go to 0.9
  assert.deepEqual(found.best, [0.9, 0.9]);
  assert.deepEqual(Array.from(found.broken), [0, 0, 1, 1]);
});

test("survey agrees with brute force on random clouds", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 40; round += 1) {
    const [n, T] = [60, 4];
    const many = { n, T, m: Float64Array.from({ length: n * T }, random) };
    const minimums = Array.from({ length: T }, () => (random() < 0.3 ? null : random() * 0.7));
    const found = maths.survey(many, minimums);
    for (let t = 0; t < T; t += 1) {
      let reach = -Infinity;
      for (let i = 0; i < n; i += 1) {
        const ok = minimums.every((l, s) => s === t || l === null || many.m[i * T + s] >= l);
        if (ok) reach = Math.max(reach, many.m[i * T + t]);
      }
      assert.equal(found.reach[t], reach);
    }
  }
});

test("never empty: the closest mix and the cheapest repair", () => {
  const minimums = [0.85, 0.75];
  const found = maths.survey(cloud, minimums);
  assert.equal(found.alive, 0);
  const ways = maths.repairs(minimums, found.reach, [0.4, 0.4]);
  assert.deepEqual(ways.map((w) => [w.task, w.level]), [[0, 0.7], [1, 0.5]]); // 0.15 off a is cheaper than 0.25 off b
  assert.equal(maths.closest(cloud, minimums, [0.4, 0.4]), 1);
  assert.equal(maths.survey(cloud, [0.7, 0.75]).alive, 1); // the repair lets a mix in again
});

test("a nudge goes to the neighbour that costs least, its price is that of one step", () => {
  const from = { c: [0.5, 0.5], m: [0.7, 0.8] };
  const index = maths.nudge(cloud, from, 0, 0.05, [null, null], [false, false], [0.4, 0.4], [0.35, 0.35]);
  assert.equal(index, 1);
  const [loss] = maths.price(from.m, rows[1], 0, 0.05, [0, 0]);
  assert.ok(Math.abs(loss.loss - 0.05) < 1e-12 && loss.task === 1); // half the way to a mix that loses 0.1
});

test("a lock forbids a nudge that would break it", () => {
  const from = { c: [0.5, 0.5], m: [0.7, 0.8] };
  const index = maths.nudge(cloud, from, 0, 0.05, [null, 0.79], [false, true], [0.4, 0.4], [0.35, 0.35]);
  assert.equal(index, -1);
});

test("suggestions: balanced, champions, safest; knee only where the front bends", () => {
  const range = maths.ranges(cloud);
  const found = Object.fromEntries(maths.presets(cloud, tasks, range).map((p) => [p.task === null ? p.id : `best${p.task}`, p.index]));
  assert.equal(found.best0, 0);
  assert.equal(found.best1, 3);
  assert.ok(found.balanced === 1 || found.balanced === 2);
  assert.equal(found.safest, found.balanced);
  const straight = { ...cloud, m: Float64Array.from([1, 0, 0.75, 0.25, 0.25, 0.75, 0, 1]) };
  assert.equal(maths.knee(straight, maths.ranges(straight), [0.01, 0.01]), -1);
  const bent = { ...cloud, m: Float64Array.from([1, 0, 0.9, 0.9, 0.5, 0.5, 0, 1]) };
  assert.equal(maths.knee(bent, maths.ranges(bent), [0.01, 0.01]), 1);
});

test("the highest average counts a score of which less is better the right way round", () => {
  const pair = { ...cloud, n: 2, m: Float64Array.from([0.5, -0.4, 0.5, -0.1]), lo: Float64Array.from([0.4, -0.4, 0.4, -0.1]) };
  const mixed = [{ sign: 1, expert: 0.9, base: null, floor: 0.01 }, { sign: -1, expert: -0.3, base: 0, floor: 0 }];
  const found = maths.presets(pair, mixed, maths.ranges(pair)).find((p) => p.id === "average");
  assert.equal(found.index, 1);
});

test("normal distribution and the chance of a minimum", () => {
  assert.ok(Math.abs(maths.normal(0) - 0.5) < 1e-7);
  assert.ok(Math.abs(maths.normal(1.6449) - 0.95) < 1e-4);
  assert.ok(Math.abs(maths.normal(-1.96) - 0.025) < 1e-4);
  assert.equal(maths.chance(0.5, 0.4, 0.6, null), 1);
  assert.ok(Math.abs(maths.chance(0.5, 0.4, 0.6, 0.5) - 0.5) < 1e-7);
  assert.equal(maths.chance(0.5, 0.5, 0.5, 0.6), 0);
});

test("linear equations", () => {
  assert.deepEqual(maths.solve([[2, 0, 4], [0, 4, 4]]), [2, 1]);
  assert.equal(maths.solve([[1, 1, 1], [1, 1, 2]]), null);
});

test("the distilled curve: constant, linear and product terms in order", () => {
  const emulator = { weights: [[1, 2, 3, 4, 5, 6]], link: ["identity"], bounds: [[0, 0]] };
  assert.deepEqual(maths.emulate(emulator, [1, 10]), [1 + 2 + 30 + 4 + 50 + 600]);
  const curved = { weights: [[0, 0, 0, 0, 0, 0]], link: ["logit"], bounds: [[-1, 1]] };
  assert.deepEqual(maths.emulate(curved, [0.3, 0.4]), [0]);
});

test("units there and back", () => {
  for (const unit of ["kept", "score", "gain"]) {
    for (const one of [task("a"), task("loss", { sign: -1, scale: 1, suffix: "", expert: null })]) {
      assert.ok(Math.abs(words.stored(words.shown(0.63, one, unit), one, unit) - 0.63) < 1e-12);
    }
  }
  assert.equal(words.number(0.81, tasks[0], "kept"), "90.0");
  assert.equal(words.number(0.81, tasks[0], "score"), "81.0");
  assert.equal(words.number(0.81, tasks[0], "gain"), "+21.0");
  assert.equal(words.number(0.55, tasks[0], "gain"), "−5.0");
  assert.equal(words.number(-0.4, task("loss", { sign: -1, scale: 1, suffix: "" }), "score"), "0.400");
});

test("sentences in plain words", () => {
  const pick = { m: [0.81, 0.605] };
  assert.equal(words.describe(pick, tasks, text, [], ""), "keeps 90 % of a and 67 % of b.");
  const gains = [{ task: 0, delta: 0.03, net: 12, n: 400, same: false }, { task: 1, delta: -0.02, net: -9, n: 400, same: false }];
  assert.equal(words.describe(pick, tasks, text, gains, "average"), "keeps 90 % of a and 67 % of b. against average: about 12 of 400 more a and about 9 of 400 fewer b.");
  assert.equal(words.gainWords({ ...gains[0], same: true }, tasks[0], text, true), "a same");
  assert.equal(words.gainWords({ ...gains[1], net: null }, tasks[1], text, true), "2.0 points worse b");
  assert.equal(words.interval(0.5, 0.5, tasks[0], "score", text), "within 0.1");
  assert.equal(words.priceTag([], tasks, text, "score"), "free");
  assert.equal(words.priceTag(null, tasks, text, "score"), "no");
  assert.equal(words.priceTag([{ task: 1, loss: 0.012 }], tasks, text, "score"), "costs 1.2 b");
});

test("ticks are round numbers inside the axis", () => {
  assert.deepEqual(words.ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.ok(words.ticks(61.2, 98.7, 6).every((v) => v % 10 === 0 && v >= 61.2 && v <= 98.7));
});

test("the store: undo and redo, minimums pull the choice along, reset", () => {
  const store = new Store(message());
  const first = store.state.pick.m;
  store.setMinimum(0, 0.85);
  near(store.state.pick.m, rows[0]);
  store.undo();
  near(store.state.pick.m, first);
  assert.equal(store.state.min[0], null);
  store.redo();
  assert.equal(store.state.min[0], 0.85);
  store.reset();
  assert.deepEqual(store.state.min, [null, null]);
});

test("the store: a way out even where no single minimum is to blame", () => {
  const store = new Store(message());
  store.setMinimum(0, 0.95);
  store.setMinimum(1, 0.95);
  assert.equal(store.found.alive, 0);
  assert.deepEqual(store.repairs, []);
  store.lowerAll();
  assert.ok(store.found.alive >= 1);
});

test("the store: a lock is the value minus its noise floor", () => {
  const store = new Store(message());
  store.choose(store.byIndex(1));
  store.toggleLock(1);
  near([store.state.min[1]], [0.69]);
  store.toggleLock(1);
  assert.equal(store.state.min[1], null);
});

test("the store: a prediction becomes a check when its measurement arrives, the prediction is kept", () => {
  const store = new Store(message());
  store.choose(store.byIndex(1));
  const measured = { id: "t", c: [0.8, 0.3], m: [0.79, 0.72], lo: [0.7, 0.7], hi: [0.8, 0.8], n: [9, 9], role: null, title: "" };
  store.load(message({ rev: "2", checked: [measured] }));
  assert.equal(store.state.pick.kind, "checked");
  assert.deepEqual(store.state.pick.m, [0.79, 0.72]);
  near(store.state.pick.guess.m, [0.8, 0.7]);
});

test("the store: until somebody chooses, the choice is the most balanced mix of the newest map", () => {
  const store = new Store(message());
  assert.equal(store.report().touched, false);
  const better = { c: [0.4, 0.4], m: [0.88, 0.87], lo: [0.8, 0.8], hi: [0.9, 0.9] };
  const points = rows.map((m, i) => ({ c: [cloud.c[2 * i], cloud.c[2 * i + 1]], m, lo: m, hi: m }));
  store.load(message({ rev: "2", cloud: packed([...points, better]) }));
  near(store.state.pick.c, better.c);
  assert.equal(store.state.chip, store.presets[0].id);
  store.choose(store.byIndex(1));
  store.undo();
  assert.equal(store.report().touched, true); // somebody was here, even if it was undone
  const again = new Store(message({ start: { pick: [0.5, 0.5], touched: false } }));
  assert.equal(again.report().touched, false);
  assert.equal(new Store(message({ start: { pick: [0.5, 0.5] } })).report().touched, true);
});

test("the store: a suggestion that an address names is called by its name, anything else is one's own", () => {
  const first = new Store(message()).presets;
  const chosen = first.find((one) => one.task === 1);
  const met = new Store(message({ start: { pick: [cloud.c[2 * chosen.index], cloud.c[2 * chosen.index + 1]] } }));
  assert.equal(met.state.chip, maths.chipKey(first.find((one) => one.index === chosen.index)));
  assert.equal(new Store(message({ start: { pick: [0.123, 0.321] } })).state.chip, null);
});

test("the store: one press is one step, part of the way to a near neighbour", () => {
  const store = new Store(message());
  store.choose(store.byIndex(2));
  store.press(0, 0.05);
  near([store.state.pick.m[0]], [0.75]);
  near(store.state.pick.c, [0.65, 0.4]);
  assert.equal(store.state.pick.kind, "pending"); // Python says the exact word
  store.load(message({ exact: { c: [0.65, 0.4], m: [0.76, 0.75], lo: [0.7, 0.7], hi: [0.8, 0.8] } }));
  assert.equal(store.state.pick.kind, "predicted");
  assert.deepEqual(store.state.pick.m, [0.76, 0.75]);
});

test("the store: the keyboard walks along the axis to the end", () => {
  const store = new Store(message());
  store.choose(store.byIndex(3));
  const seen = [];
  for (let i = store.beside(1); i >= 0; i = store.beside(1)) {
    seen.push(i);
    store.choose(store.byIndex(i));
  }
  assert.deepEqual(seen, [2, 1, 0]);
  assert.equal(store.beside(-1), 1);
});

test("the store: tray of at most four, the opening state of a link, marks without strengths", () => {
  const start = { min: [null, 0.6], lock: [false, true], x: 1, y: 0, unit: "gain", pick: [0.5, 0.5], tray: [[1, 0]] };
  const shown = { id: "x", c: [], m: [0.9, 0.4], lo: [0.9, 0.4], hi: [0.9, 0.4], role: "specialist", title: "a alone" };
  const store = new Store(message({ start, checked: [shown] }));
  near(store.state.pick.m, rows[2]);
  assert.equal(store.state.tray.length, 1);
  assert.equal(store.state.x, 1);
  assert.equal(store.byChecked(0), null);
  for (let i = 1; i < 4; i += 1) {
    store.choose(store.byIndex(i));
    store.keep();
  }
  store.keep();
  assert.equal(store.state.tray.length, 4);
  assert.deepEqual(store.report().pick, [0, 1]);
});
