// What a mix says of single samples: real answers where it was measured, else a small model (study/choosing/flips.py).
import { normal } from "./maths.js";
import { signedRows, whole } from "./pack.js";

/** Products of d numbers up to degree g, as lists of indices, in Python's order. */
export function exponents(d, g) {
  let last = [[]];
  const all = [[]];
  for (let size = 1; size <= g; size += 1) {
    last = last.flatMap((one) => Array.from({ length: d - (one.at(-1) ?? 0) }, (_, k) => [...one, (one.at(-1) ?? 0) + k]));
    all.push(...last);
  }
  return all;
}

export class Samples {
  constructor(packed, experts, T) {
    this.experts = experts;
    this.products = exponents(experts.length, packed.degree);
    this.tasks = new Array(T).fill(null);
    packed.tasks.forEach((one) => {
      this.tasks[one.task] = {
        ...one,
        targets: whole(one.targets),
        sample: whole(one.sample),
        label: whole(one.label),
        weights: signedRows(one.weights, one.steps),
        said: Object.fromEntries(Object.entries(one.said).map(([name, text]) => [name, whole(text)])),
      };
    });
    this.memo = new Map();
  }

  /** Answers to the samples that flip on task t: {said, measured}; null where the task has none. */
  of(mix, t) {
    const task = this.tasks[t];
    if (!task) return null;
    const real = task.said[mix.id] ?? task.said[mix.label];
    if (real && mix.kind !== "predicted" && mix.kind !== "pending") return { said: real, measured: true };
    const key = `${t} ${mix.c}`;
    if (!this.memo.has(key)) {
      if (this.memo.size > 64) this.memo.clear();
      this.memo.set(key, this.answer(task, mix.c));
    }
    return { said: this.memo.get(key), measured: false };
  }

  /** The class with the largest modelled output, per sample. */
  answer(task, c) {
    const u = c.map((v, k) => (2 * (v - this.experts[k].low)) / (this.experts[k].high - this.experts[k].low) - 1);
    const f = this.products.map((one) => one.reduce((product, k) => product * u[k], 1));
    const { sample, label, weights, k } = task;
    const p = sample.length;
    const values = new Float64Array(p);
    for (let i = 0; i < f.length; i += 1) for (let j = 0; j < p; j += 1) values[j] += f[i] * weights[i * p + j];
    const said = new Uint16Array(k);
    const top = new Float64Array(k).fill(-Infinity);
    for (let j = 0; j < p; j += 1) {
      if (values[j] <= top[sample[j]]) continue;
      top[sample[j]] = values[j];
      said[sample[j]] = label[j];
    }
    return said;
  }
}

/** How many samples only the one gets right (won), and only the other (lost). */
export function changes(said, other, targets) {
  let won = 0;
  let lost = 0;
  for (let i = 0; i < targets.length; i += 1) {
    const right = said[i] === targets[i];
    if (right === (other[i] === targets[i])) continue;
    if (right) won += 1;
    else lost += 1;
  }
  return { won, lost };
}

/** counts[i][j]: how often true class i is called j. */
export function confusion(task, said) {
  const size = task.classes.length;
  const counts = Array.from({ length: size }, () => new Array(size).fill(0));
  task.steady.forEach(([i, j, n]) => { counts[i][j] += n; });
  task.targets.forEach((i, s) => { counts[i][said[s]] += 1; });
  return counts;
}

/** Per class: how many there are, how many the one gets right, and how many more than the other. */
export function perClass(task, said, other) {
  const [mine, theirs] = [confusion(task, said), confusion(task, other)];
  return task.classes.map((name, i) => {
    const n = mine[i].reduce((sum, v) => sum + v, 0);
    return { name, n, right: mine[i][i], change: mine[i][i] - theirs[i][i] };
  });
}

/** Two-sided chance that so uneven a split of won and lost comes from two equally good mixes (McNemar's exact test). */
export function unlikely(won, lost) {
  const n = won + lost;
  if (!n) return 1;
  let term = 1;
  let total = 0;
  let tail = 0;
  const least = Math.min(won, lost);
  for (let k = 0; k <= n; k += 1) {
    total += term;
    if (k === least) tail = total;
    term *= (n - k) / (k + 1);
    if (total > 1e290) return Math.min(1, 2 * normal(-(Math.abs(won - lost) - 1) / Math.sqrt(n)));
  }
  return Math.min(1, (2 * tail) / total);
}
