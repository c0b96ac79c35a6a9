// What the person has chosen, with undo; turns the payload into typed arrays. No document, no canvas.
import { between, chipKey, closest, emulate, nearest, nudge, presets, price, ranges, repairs, row, same, sameIn, survey } from "./maths.js";
import { cloudOf, unpackCloud } from "./pack.js";
import { changes, Samples, unlikely } from "./samples.js";

const HISTORY = 60;
const NEAR = 0.3001; // share of the box within which two mixes are neighbours

export class Store {
  constructor(data) {
    this.past = [];
    this.future = [];
    this.state = null;
    this.listeners = [];
    this.met = Boolean(data.start?.pick) && data.start.touched !== false; // the choice was made before this visit to the map
    this.look = { view: "map", reference: "average", hidden: new Set(), ranges: data.tasks.length === 2, tab: null };
    this.load(data);
  }

  /** A new message from Python: new arrays only when the revision is new; choices are kept. */
  load(data) {
    this.data = data;
    const fresh = this.revision !== data.rev;
    if (fresh) this.renew(data);
    if (data.samples && this.packed !== data.samples) {
      this.packed = data.samples;
      this.samples = data.samples.problem ? null : new Samples(data.samples, data.experts, data.tasks.length);
    }
    if (this.state === null) this.state = this.opening(data.start ?? {});
    const again = (pick) => {
      const seen = this.refresh(pick);
      return fresh && seen?.kind === "predicted" ? this.byStrengths(seen.c) : seen;
    };
    if (fresh && !this.touched && this.presets.length) Object.assign(this.state, { pick: this.byIndex(this.presets[0].index), chip: this.presets[0].id });
    this.state.pick = again(this.state.pick);
    this.state.tray = this.state.tray.map(again);
    this.measure();
  }

  renew(data) {
    const T = data.tasks.length;
    const d = data.experts.length;
    Object.assign(this, { revision: data.rev, tasks: data.tasks, experts: data.experts, checked: data.checked, samples: null, packed: null });
    this.checkedCloud = cloudOf(data.checked, d, T);
    this.predicted = data.cloud.n > 0;
    this.cloud = this.predicted ? unpackCloud(data.cloud) : this.checkedCloud;
    this.others = data.others.map((one) => ({ ...one, cloud: unpackCloud({ ...one.cloud, d, T }) }));
    this.lines = data.checked.filter((p) => p.label);
    this.range = ranges(this.cloud);
    this.presets = this.cloud.n ? presets(this.cloud, this.tasks, this.range) : [];
    this.trusted = Boolean(data.emulator) && data.emulator.trusted;
    this.offers = new Map();
  }

  /** Whether the choice is somebody's own; until then it follows the map. */
  get touched() {
    return this.met || this.past.length + this.future.length + this.state.tray.length > 0;
  }

  /** The fixed mix that gains and losses are told against: plain average unless another was asked for. */
  get reference() {
    const wanted = this.look.reference;
    return this.lines.find((p) => p.label === wanted) ?? this.lines.find((p) => p.label === "average") ?? this.lines[0] ?? null;
  }

  opening(start) {
    const T = this.tasks.length;
    const state = {
      min: this.tasks.map((_, t) => start.min?.[t] ?? null),
      lock: this.tasks.map((_, t) => Boolean(start.lock?.[t])),
      x: Math.min(start.x ?? 0, T - 1),
      y: Math.min(start.y ?? 1, T - 1),
      unit: start.unit ?? this.data.unit ?? "score",
      chip: null,
      tray: [],
      pick: null,
    };
    const first = this.presets[0];
    state.pick = this.met ? this.byStrengths(start.pick) : first ? this.byIndex(first.index) : null;
    const named = this.met ? this.presets.find((one) => one.index === sameIn(this.cloud, start.pick)) : first;
    state.chip = named ? chipKey(named) : null;
    state.tray = (start.tray ?? []).map((c) => this.byStrengths(c)).filter((pick) => pick !== null);
    return state;
  }

  /** Where the choice now stands: survivors, reach, repairs, closest. */
  measure() {
    if (!this.cloud.n) return;
    this.found = survey(this.cloud, this.state.min);
    this.repairs = this.found.alive ? [] : repairs(this.state.min, this.found.reach, this.range.span);
    this.closest = this.found.alive ? -1 : closest(this.cloud, this.state.min, this.range.span);
  }

  byIndex(i) {
    const { T, d, m, lo, hi, c } = this.cloud;
    return this.refresh({ c: row(c, i, d), m: row(m, i, T), lo: row(lo, i, T), hi: row(hi, i, T), kind: "predicted" });
  }

  /** A measured mix; null for a mark of another method, which has no strengths here. */
  byChecked(j) {
    if (!this.checked[j].c.length) return null;
    return this.refresh({ ...this.checked[j], kind: "checked" });
  }

  /** Any strengths: a checked mix, a point of the cloud, what Python predicted, or the distilled curve. */
  byStrengths(c) {
    const j = sameIn(this.checkedCloud, c, this.checked);
    if (j >= 0) return this.byChecked(j);
    const i = this.predicted ? sameIn(this.cloud, c) : -1;
    if (i >= 0) return this.byIndex(i);
    if (this.data.exact && same([this.data.exact.c], c) === 0) return { ...this.data.exact, kind: "predicted" };
    if (!this.data.emulator) return this.cloud.n ? { ...this.byIndex(0), c, kind: "pending" } : null;
    const m = emulate(this.data.emulator, c);
    const wide = this.data.emulator.residual;
    return { c, m, lo: m.map((v, t) => v - wide[t]), hi: m.map((v, t) => v + wide[t]), kind: "pending" };
  }

  /** The same strengths seen with today's knowledge: a prediction becomes a check when it has been checked. */
  refresh(pick) {
    if (pick === null) return null;
    const j = sameIn(this.checkedCloud, pick.c, this.checked);
    if (j >= 0) return { ...pick, ...this.checked[j], kind: "checked", guess: pick.kind === "predicted" ? pick : (pick.guess ?? null) };
    if (pick.kind === "predicted" || pick.kind === "checked") return pick;
    const exact = this.data.exact;
    return exact && same([exact.c], pick.c) === 0 ? { ...exact, kind: "predicted" } : pick;
  }

  snapshot() {
    const { min, lock, pick, chip } = this.state;
    return { min: [...min], lock: [...lock], pick, chip };
  }

  /** One step that can be undone. `change` edits the state in place. */
  act(change, remember = true) {
    if (remember) {
      this.past = [...this.past.slice(-HISTORY), this.snapshot()];
      this.future = [];
    }
    change(this.state);
    this.measure();
    this.listeners.forEach((listen) => listen(remember));
  }

  /** How things are looked at: not a choice, so nothing to undo. */
  see(change) {
    Object.assign(this.look, change);
    this.listeners.forEach((listen) => listen(false));
  }

  travel(from, to) {
    if (!this[from].length) return;
    this[to].push(this.snapshot());
    Object.assign(this.state, this[from].pop());
    this.measure();
    this.listeners.forEach((listen) => listen(true));
  }

  undo() { this.travel("past", "future"); }
  redo() { this.travel("future", "past"); }

  reset() {
    this.act((s) => {
      s.min = s.min.map(() => null);
      s.lock = s.lock.map(() => false);
      if (this.presets.length) s.pick = this.byIndex(this.presets[0].index);
      s.chip = this.presets[0]?.id ?? null;
    });
  }

  choose(pick, chip = null) {
    if (pick) this.act((s) => Object.assign(s, { pick, chip }));
  }

  setMinimum(task, level, remember = true) {
    this.act((s) => {
      s.min[task] = level;
      if (level === null) s.lock[task] = false;
    }, remember);
    if (this.found.alive) this.follow();
  }

  /** Where no single minimum is to blame: lower all broken ones to what the closest mix reaches. */
  lowerAll() {
    const reached = row(this.cloud.m, this.closest, this.cloud.T);
    this.act((s) => {
      s.min = s.min.map((level, t) => (level === null ? null : Math.min(level, reached[t] - 1e-9)));
    });
    this.follow();
  }

  /** Keep the pick among the survivors: the nearest mix that meets every minimum. */
  follow() {
    const { pick, min } = this.state;
    if (pick && pick.m.every((v, t) => min[t] === null || v >= min[t] - 1e-9)) return;
    const { T, m } = this.cloud;
    let index = -1;
    let least = Infinity;
    for (let i = 0; i < this.cloud.n; i += 1) {
      if (this.found.broken[i]) continue;
      let far = 0;
      for (let t = 0; t < T; t += 1) far += (((pick ? pick.m[t] : 0) - m[i * T + t]) / this.range.span[t]) ** 2;
      if (far < least) [least, index] = [far, i];
    }
    if (index >= 0) this.act((s) => Object.assign(s, { pick: this.byIndex(index), chip: null }), false);
  }

  toggleLock(task) {
    this.act((s) => {
      s.lock[task] = !s.lock[task];
      s.min[task] = s.lock[task] ? s.pick.m[task] - this.tasks[task].floor : null;
    });
  }

  /** The previous or next surviving mix along the map's first axis whose value there really differs; -1 at the end. */
  beside(direction) {
    const { T, m, n } = this.cloud;
    const { x, pick } = this.state;
    const from = this.anchor(pick).m[x];
    let index = -1;
    let least = Infinity;
    for (let i = 0; i < n; i += 1) {
      const ahead = (m[i * T + x] - from) * direction;
      if (!this.found.broken[i] && ahead > 1e-6 && ahead < least) [least, index] = [ahead, i];
    }
    return index;
  }

  /** {index, from, cost}: the mix towards which a step on a task leads, and the step's price; null if there is none. */
  offer(task, step) {
    const { pick, min, lock } = this.state;
    if (!pick || !this.cloud.n) return null;
    const held = JSON.stringify([pick.c, pick.kind, lock.map((on, t) => (on ? min[t] : null))]);
    if (this.offers.held !== held) this.offers = Object.assign(new Map(), { held });
    const key = `${task} ${step}`;
    if (!this.offers.has(key)) this.offers.set(key, this.search(task, step));
    return this.offers.get(key);
  }

  search(task, step) {
    const { pick, min, lock } = this.state;
    const from = this.anchor(pick);
    const near = this.experts.map((e) => NEAR * (e.high - e.low));
    const index = nudge(this.cloud, from, task, step, min, lock, this.range.span, near);
    if (index < 0) return null;
    const floors = this.tasks.map((t) => t.floor / 4);
    return { index, from, cost: price(from.m, row(this.cloud.m, index, this.cloud.T), task, step, floors) };
  }

  /** Moves start from the prediction for a checked mix, so that its noise is not mistaken for a gain. */
  anchor(pick) {
    if (pick.kind !== "checked" || !this.predicted) return pick;
    return pick.guess ?? this.byIndex(nearest(this.cloud, pick.m, this.range.span));
  }

  /** One press is one step: part of the way to the next mix where that one is a near neighbour. */
  press(task, step) {
    const offer = this.offer(task, step);
    if (!offer) return;
    const plain = this.byIndex(offer.index);
    const to = plain.guess ?? plain;
    const share = step / (to.m[task] - offer.from.m[task]);
    const far = Math.max(...to.c.map((v, k) => Math.abs(v - offer.from.c[k]) / (this.experts[k].high - this.experts[k].low)));
    if (share > 0.9 || far > NEAR) this.choose(to);
    else this.choose(this.refresh({ ...between(offer.from, to, share), kind: "pending" }));
  }

  keep() {
    const { pick, tray } = this.state;
    if (!pick || tray.length >= 4 || same(tray.map((p) => p.c), pick.c) >= 0) return;
    this.act((s) => { s.tray = [...s.tray, pick]; }, false);
  }

  drop(index) {
    this.act((s) => { s.tray = s.tray.filter((_, i) => i !== index); }, false);
  }

  /** Against the reference, per task: {task, delta, net, n, won, lost, same}; counts where single answers are known. */
  gains(mix, other = this.reference) {
    if (!mix || !other) return [];
    return this.tasks.map((task, t) => {
      const delta = mix.m[t] - other.m[t];
      const gain = { task: t, delta, net: task.counted ? Math.round(delta * task.n) : null, n: task.n, won: null, lost: null, same: Math.abs(delta) <= task.floor };
      const [mine, theirs] = [mix, other].map((one) => this.samples?.of(one, t) ?? null);
      if (!task.counted || !mine || !theirs) return gain;
      Object.assign(gain, changes(mine.said, theirs.said, this.samples.tasks[t].targets));
      gain.p = unlikely(gain.won, gain.lost);
      if (this.samples.tasks[t].complete) Object.assign(gain, { net: gain.won - gain.lost, same: gain.p > 0.05 && gain.same });
      return gain;
    });
  }

  /** What Python is told when the hand rests. */
  report() {
    const { min, lock, pick, tray, x, y, unit } = this.state;
    const short = (c) => c.map((v) => Math.round(v * 1e4) / 1e4);
    const have = `${this.data.rev}${this.packed ? "+" : ""}`;
    return { min, lock, x, y, unit, have, touched: this.touched, pick: pick ? short(pick.c) : null, kind: pick?.kind ?? null, tray: tray.map((p) => short(p.c)) };
  }
}
