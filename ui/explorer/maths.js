// The arithmetic of choosing a mix: no document, no canvas, nothing remembered. Tested with node.
// A cloud holds n mixes: m, lo, hi are n*T numbers, row by row, every task higher = better; c is n*d strengths.
// A minimum is a number, or null for "no minimum". Levels, losses and floors are in the same raw unit as m.

export function row(values, index, width) {
  return Array.from(values.slice(index * width, (index + 1) * width));
}

/** One pass over the cloud: who is still allowed, and how far each minimum could still be raised. */
export function survey(cloud, minimums) {
  const { n, T, m } = cloud;
  const broken = new Uint8Array(n);
  const reach = new Array(T).fill(-Infinity);
  const best = new Array(T).fill(-Infinity);
  let alive = 0;
  for (let i = 0; i < n; i += 1) {
    let count = 0;
    let last = -1;
    for (let t = 0; t < T; t += 1) {
      const value = m[i * T + t];
      if (value > best[t]) best[t] = value;
      if (minimums[t] !== null && value < minimums[t]) {
        count += 1;
        last = t;
      }
    }
    broken[i] = count;
    if (count === 0) {
      alive += 1;
      for (let t = 0; t < T; t += 1) if (m[i * T + t] > reach[t]) reach[t] = m[i * T + t];
    } else if (count === 1 && m[i * T + last] > reach[last]) {
      reach[last] = m[i * T + last];
    }
  }
  return { broken, alive, reach, best };
}

export function ranges(cloud) {
  const { n, T, m } = cloud;
  const low = new Array(T).fill(Infinity);
  const high = new Array(T).fill(-Infinity);
  for (let i = 0; i < n * T; i += 1) {
    const t = i % T;
    if (m[i] < low[t]) low[t] = m[i];
    if (m[i] > high[t]) high[t] = m[i];
  }
  return { low, high, span: low.map((l, t) => Math.max(high[t] - l, 1e-9)) };
}

/** The mix that misses the minimums by least (squares, each task on its own scale). */
export function closest(cloud, minimums, span) {
  const { n, T, m } = cloud;
  let index = -1;
  let least = Infinity;
  for (let i = 0; i < n; i += 1) {
    let miss = 0;
    for (let t = 0; t < T; t += 1) {
      const short = minimums[t] === null ? 0 : Math.max(0, minimums[t] - m[i * T + t]) / span[t];
      miss += short * short;
    }
    if (miss < least) {
      least = miss;
      index = i;
    }
  }
  return index;
}

/** For every minimum that could be lowered alone to let a mix in again: to which level; cheapest first. */
export function repairs(minimums, reach, span) {
  const found = [];
  minimums.forEach((level, t) => {
    if (level !== null && Number.isFinite(reach[t]) && reach[t] < level) {
      found.push({ task: t, level: reach[t], cost: (level - reach[t]) / span[t] });
    }
  });
  return found.sort((a, b) => a.cost - b.cost);
}

/**
 * The mix towards which one step on a task costs least elsewhere; -1 if there is none. Near neighbours (every strength
 * within `near` of `from`) count with the part of the way that one step is; farther ones only if no neighbour gains.
 */
export function nudge(cloud, from, task, step, minimums, locks, span, near) {
  let index = -1;
  let top = -Infinity;
  let close = false;
  for (let i = 0; i < cloud.n; i += 1) {
    const gain = (cloud.m[i * cloud.T + task] - from.m[task]) * Math.sign(step);
    if (gain < 0.3 * Math.abs(step)) continue;
    let k = 0;
    while (k < cloud.d && Math.abs(from.c[k] - cloud.c[i * cloud.d + k]) <= near[k]) k += 1;
    const neighbour = k === cloud.d;
    if (close && !neighbour) continue;
    const share = neighbour ? Math.min(1, Math.abs(step) / gain) : 1;
    const score = worth(cloud, i, from, task, share, minimums, locks, span) - (neighbour ? 0 : gain / span[task]);
    if (score > top || (neighbour && !close && score > -Infinity)) {
      top = score;
      index = i;
      close = neighbour;
    }
  }
  return index;
}

/** How little the other tasks lose on `share` of the way to mix i (0 = nothing); -Infinity if a lock forbids it. */
function worth(cloud, i, from, task, share, minimums, locks, span) {
  let worst = 0;
  let mean = 0;
  for (let t = 0; t < cloud.T; t += 1) {
    if (t === task) continue;
    const change = share * (cloud.m[i * cloud.T + t] - from.m[t]);
    if (locks[t] && minimums[t] !== null && from.m[t] + change < minimums[t]) return -Infinity;
    worst = Math.min(worst, change / span[t]);
    mean += change / span[t] / cloud.T;
  }
  return worst + 0.1 * mean;
}

/** What one step towards `next` costs: losses above each task's noise floor, scaled to that step, largest first. */
export function price(current, next, task, step, floors) {
  const share = Math.min(1, Math.abs(step) / Math.max(Math.abs(next[task] - current[task]), 1e-12));
  const losses = [];
  for (let t = 0; t < current.length; t += 1) {
    const loss = (current[t] - next[t]) * share;
    if (t !== task && loss > floors[t]) losses.push({ task: t, loss });
  }
  return losses.sort((a, b) => b.loss - a.loss);
}

/** Part of the way from one mix to another, in strengths and in scores alike: fair only between near neighbours. */
export function between(from, to, share) {
  const mix = (a, b) => a.map((v, k) => v + share * (b[k] - v));
  return {
    c: mix(from.c, to.c).map((v) => Math.round(v * 1e4) / 1e4),
    m: mix(from.m, to.m),
    lo: mix(from.lo, to.lo),
    hi: mix(from.hi, to.hi),
  };
}

function best(cloud, score) {
  let index = 0;
  let top = -Infinity;
  for (let i = 0; i < cloud.n; i += 1) {
    const value = score(i);
    if (value > top) {
      top = value;
      index = i;
    }
  }
  return index;
}

/** Share of the way from base to specialist; falls back to the cloud's own range where one is unknown or equal. */
export function progress(value, task, range, t) {
  const low = task.base ?? range.low[t];
  const high = task.expert ?? range.high[t];
  return high - low > 1e-9 ? (value - low) / (high - low) : (value - range.low[t]) / range.span[t];
}

/** The mix that gives most for what it takes: farthest above the plane through each task's champion, or -1. */
export function knee(cloud, range, floors) {
  const { n, T, m } = cloud;
  const z = (i, t) => (m[i * T + t] - range.low[t]) / range.span[t];
  const rows = [];
  for (let t = 0; t < T; t += 1) {
    const champion = best(cloud, (i) => m[i * T + t]);
    rows.push([...Array.from({ length: T }, (_, s) => z(champion, s)), 1]);
  }
  const weights = solve(rows);
  if (weights === null || weights.some((w) => w <= 0)) return -1;
  const norm = Math.hypot(...weights);
  const above = (i) => weights.reduce((sum, w, t) => sum + w * z(i, t), -1) / norm;
  const index = best(cloud, above);
  const middle = Array.from({ length: n }, (_, i) => above(i)).sort((a, b) => a - b)[Math.floor(n / 2)];
  const floor = Math.max(...floors.map((f, t) => f / range.span[t]));
  return above(index) - middle > Math.min(2 * floor, 0.25) ? index : -1;
}

/** Gauss-Jordan on T rows of T + 1 numbers; null where the champions coincide. */
export function solve(rows) {
  const a = rows.map((r) => r.slice());
  const size = a.length;
  for (let k = 0; k < size; k += 1) {
    let pivot = k;
    for (let r = k + 1; r < size; r += 1) if (Math.abs(a[r][k]) > Math.abs(a[pivot][k])) pivot = r;
    if (Math.abs(a[pivot][k]) < 1e-9) return null;
    [a[k], a[pivot]] = [a[pivot], a[k]];
    for (let r = 0; r < size; r += 1) {
      if (r === k) continue;
      const factor = a[r][k] / a[k][k];
      for (let s = k; s <= size; s += 1) a[r][s] -= factor * a[k][s];
    }
  }
  return a.map((r, k) => r[size] / r[k]);
}

/** Suggested starting points, as {id, task, index}; never one single "best". */
export function presets(cloud, tasks, range) {
  const { T, m, lo } = cloud;
  const floors = tasks.map((task) => task.floor);
  const worst = (values) => (i) => Math.min(...tasks.map((task, t) => progress(values[i * T + t], task, range, t)));
  // A score of which less is better is stored below zero: divided by its specialist's it would count the wrong way.
  const size = tasks.map((task, t) => (task.sign > 0 && task.expert > 0 ? task.expert : range.span[t] || 1));
  const mean = (i) => tasks.reduce((sum, _, t) => sum + m[i * T + t] / size[t], 0);
  const found = [
    { id: "balanced", task: null, index: best(cloud, worst(m)) },
    { id: "average", task: null, index: best(cloud, mean) },
  ];
  const index = knee(cloud, range, floors);
  if (index >= 0) found.push({ id: "knee", task: null, index });
  tasks.forEach((_, t) => found.push({ id: "best", task: t, index: best(cloud, (i) => m[i * T + t]) }));
  found.push({ id: "safest", task: null, index: best(cloud, worst(lo)) });
  return found;
}

/** What tells one suggestion from the others. */
export const chipKey = (chip) => (chip.task === null ? chip.id : `best-${chip.task}`);

/** Standard normal distribution function (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
export function normal(x) {
  const u = Math.abs(x) / Math.SQRT2;
  const k = 1 / (1 + 0.3275911 * u);
  const tail =
    ((((1.061405429 * k - 1.453152027) * k + 1.421413741) * k - 0.284496736) * k + 0.254829592) * k * Math.exp(-u * u);
  return x < 0 ? tail / 2 : 1 - tail / 2;
}

/** Chance that a predicted value with a 5-95 % range meets a minimum. */
export function chance(value, lo, hi, minimum) {
  if (minimum === null) return 1;
  const sigma = (hi - lo) / 3.28971;
  if (!(sigma > 1e-12)) return value >= minimum ? 1 : 0;
  return normal((value - minimum) / sigma);
}

/** The distilled quadratic: intercept, linear, then products i <= j; through a logistic curve where link says so. */
export function emulate(emulator, c) {
  const features = [1, ...c];
  for (let i = 0; i < c.length; i += 1) for (let j = i; j < c.length; j += 1) features.push(c[i] * c[j]);
  return emulator.weights.map((weights, t) => {
    const s = weights.reduce((sum, w, k) => sum + w * features[k], 0);
    if (emulator.link[t] !== "logit") return s;
    const [low, high] = emulator.bounds[t];
    return low + (high - low) / (1 + Math.exp(-s));
  });
}

/** Index of the row of `list` (each an array) that equals c within a thousandth, or -1. */
export function same(list, c, tolerance = 1.5e-3) {
  return list.findIndex((other) => other.length === c.length && other.every((v, k) => Math.abs(v - c[k]) <= tolerance));
}

/** The same for the rows of a cloud; rows of `list` without strengths never match. */
export function sameIn(cloud, c, list = null, tolerance = 1.5e-3) {
  const { n, d } = cloud;
  for (let i = 0; i < n; i += 1) {
    if (list && list[i].c.length !== d) continue;
    let k = 0;
    while (k < d && Math.abs(c[k] - cloud.c[i * d + k]) <= tolerance) k += 1;
    if (k === d) return i;
  }
  return -1;
}

/** Mix of the cloud nearest to the given task values, each task on its own scale. */
export function nearest(cloud, values, span) {
  const { T, m } = cloud;
  return best(cloud, (i) => -values.reduce((sum, v, t) => sum + ((m[i * T + t] - v) / span[t]) ** 2, 0));
}
