// Several fronts seen together: where one way of blending reaches more, which tasks pull apart, dots for a guess. Pure.

/** Best value on task y at each x or beyond: a staircase [[x, y], ...] from the highest x down. */
export function staircase(cloud, x, y) {
  const { n, T, m } = cloud;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => m[b * T + x] - m[a * T + x] || m[b * T + y] - m[a * T + y]);
  const steps = [];
  let top = -Infinity;
  order.forEach((i) => {
    if (m[i * T + y] <= top) return;
    top = m[i * T + y];
    steps.push([m[i * T + x], top, i]);
  });
  return steps;
}

/** What the staircase still gives on y when x must be at least `level`; -Infinity if x is never so high. */
export function reached(steps, level) {
  let best = -Infinity;
  for (const [x, y] of steps) {
    if (x < level) break;
    best = y;
  }
  return best;
}

const GRID = 64;
const SHORT = 0.06;

/**
 * Where along task x each of two fronts reaches more on task y: [{from, to, who}] with who 0, 1 or null (within floor).
 * Pieces shorter than 6 % of the range join their neighbour.
 */
export function compareFronts(mine, other, floors) {
  const xs = [...mine, ...other].map(([x]) => x);
  if (!mine.length || !other.length) return [];
  const low = Math.min(...xs);
  const high = Math.max(...xs);
  const pieces = [];
  for (let k = 0; k < GRID; k += 1) {
    const from = low + ((high - low) * k) / GRID;
    const level = low + ((high - low) * (k + 0.5)) / GRID;
    const delta = reached(mine, level) - reached(other, level);
    const who = Math.abs(delta) <= floors || Number.isNaN(delta) ? null : delta > 0 ? 0 : 1;
    const last = pieces.at(-1);
    if (last && last.who === who) last.to = from + (high - low) / GRID;
    else pieces.push({ from, to: from + (high - low) / GRID, who });
  }
  return merged(pieces, SHORT * (high - low));
}

function merged(pieces, least) {
  const kept = [];
  pieces.forEach((piece) => {
    const last = kept.at(-1);
    if (last && (last.who === piece.who || piece.to - piece.from < least)) last.to = piece.to;
    else if (last && last.to - last.from < least) {
      kept.pop();
      if (kept.at(-1)?.who === piece.who) kept.at(-1).to = piece.to;
      else kept.push({ from: last.from, to: piece.to, who: piece.who });
    } else kept.push({ ...piece });
  });
  return kept;
}

/** Pairs of tasks, those that pull apart most first: [{x, y, r}], r the correlation over the mixes; at most `most`. */
export function conflicts(cloud, most = 6) {
  const { n, T, m } = cloud;
  const mean = Array.from({ length: T }, (_, t) => { let sum = 0; for (let i = 0; i < n; i += 1) sum += m[i * T + t]; return sum / n; });
  const moment = (a, b) => { let sum = 0; for (let i = 0; i < n; i += 1) sum += (m[i * T + a] - mean[a]) * (m[i * T + b] - mean[b]); return sum / n; };
  const own = mean.map((_, t) => Math.sqrt(moment(t, t)) || 1e-12);
  const pairs = [];
  for (let x = 0; x < T; x += 1) for (let y = x + 1; y < T; y += 1) pairs.push({ x, y, r: moment(x, y) / (own[x] * own[y]) });
  return pairs.sort((a, b) => a.r - b.r).slice(0, most);
}

/** Standard normal quantiles at 2.5 %, 7.5 %, ... 97.5 %. */
const HALF = [-1.96, -1.4395, -1.1503, -0.9346, -0.7554, -0.5978, -0.4538, -0.3186, -0.1891, -0.0627];
export const TWENTY = [...HALF, ...HALF.map((z) => -z).reverse()];

/** Twenty equally likely outcomes of a value with a 5-95 % range. */
export function outcomes(value, lo, hi) {
  const sigma = (hi - lo) / 3.28971;
  return TWENTY.map((z) => value + z * sigma);
}
