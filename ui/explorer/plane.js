// Two tasks against each other: scales, and the layers that the map and the small maps share.
import { chance } from "./maths.js";
import { circle, circles, diamond, mark, otherMark } from "./marks.js";
import { shown } from "./words.js";

/** Lowest and highest value of a task in the unit on the screen, over everything that is drawn. */
export function extent(store, t) {
  const key = `${store.revision} ${t} ${store.state.unit}`;
  store.extents ??= new Map();
  if (!store.extents.has(key)) {
    let [low, high] = [store.range.low[t], store.range.high[t]];
    const take = (v) => { low = Math.min(low, v); high = Math.max(high, v); };
    store.checked.forEach((p) => take(p.m[t]));
    store.others.forEach(({ cloud, checked }) => {
      for (let i = 0; i < cloud.n; i += 1) take(cloud.m[i * cloud.T + t]);
      checked.forEach((p) => take(p.m[t]));
    });
    const ends = [shown(low, store.tasks[t], store.state.unit), shown(high, store.tasks[t], store.state.unit)].sort((a, b) => a - b);
    const pad = 0.05 * (ends[1] - ends[0]) || 1;
    if (store.extents.size > 200) store.extents.clear();
    store.extents.set(key, [ends[0] - pad, ends[1] + pad]);
  }
  return store.extents.get(key);
}

/** A task's axis between two pixels: at(stored value), within(the same, but not beyond the ends), screen(value as shown). */
export function axisOf(store, t, from, to) {
  const [low, high] = extent(store, t);
  const task = store.tasks[t];
  const { unit } = store.state;
  const scale = (to - from) / (high - low);
  const [zero, one] = [shown(0, task, unit), shown(1, task, unit)];
  const [start, slope] = [from + (zero - low) * scale, (one - zero) * scale];
  const at = (v) => start + v * slope;
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  return { t, low, high, at, within: (v) => Math.min(last, Math.max(first, at(v))), screen: (s) => from + (s - low) * scale };
}

/** Predicted mixes: ruled-out ones as specks, the others as circles that fade with the risk of missing a minimum. */
export function drawCloud(surface, X, Y, store, { radius = 3.8, most = Infinity } = {}) {
  if (!store.predicted) return;
  const { context, colours } = surface;
  const { cloud, found } = store;
  const { T, m, n } = cloud;
  const stride = Math.max(1, Math.ceil(n / most));
  const layers = [[], [], []];
  context.fillStyle = colours.ghost;
  context.globalAlpha = 0.35;
  for (let i = 0; i < n; i += stride) {
    const x = X.at(m[i * T + X.t]);
    const y = Y.at(m[i * T + Y.t]);
    if (found.broken[i] > 0) context.fillRect(x - 1.5, y - 1.5, 3, 3);
    else layers[sureness(store, i)].push([x, y]);
  }
  layers.forEach((points, k) => {
    context.globalAlpha = [0.32, 0.6, 0.95][k];
    circles(surface, points, radius, colours.predicted, 1.4);
  });
  context.globalAlpha = 1;
}

/** 2 = at least 90 % likely to meet every minimum, 1 = at least 50 %, 0 = less. */
function sureness(store, i) {
  const { min } = store.state;
  const { T, m, lo, hi } = store.cloud;
  let sure = 1;
  for (let t = 0; t < T; t += 1) if (min[t] !== null) sure *= chance(m[i * T + t], lo[i * T + t], hi[i * T + t], min[t]);
  return sure >= 0.9 ? 2 : sure >= 0.5 ? 1 : 0;
}

/** Mixes of the other ways of blending, unless their entry in the legend was switched off. */
export function drawOthers(surface, X, Y, store, most = 300) {
  const { context, colours } = surface;
  store.others.forEach(({ name, cloud, checked }, index) => {
    if (store.look.hidden.has(name)) return;
    const stride = Math.max(1, Math.ceil(cloud.n / most));
    context.globalAlpha = 0.7;
    for (let i = 0; i < cloud.n; i += stride) otherMark(context, X.at(cloud.m[i * cloud.T + X.t]), Y.at(cloud.m[i * cloud.T + Y.t]), index, colours);
    context.globalAlpha = 1;
    checked.forEach((p) => otherMark(context, X.at(p.m[X.t]), Y.at(p.m[Y.t]), index, colours, true));
  });
}

/** Measured mixes and the fixed marks; the fixed ones last, so that nothing hides them. */
export function drawChecked(surface, X, Y, store, size = 6) {
  const { context, colours } = surface;
  const { min } = store.state;
  const draw = (p) => {
    const out = p.m.some((v, t) => min[t] !== null && v < min[t] - store.tasks[t].floor);
    context.globalAlpha = out && !p.role ? 0.35 : 1;
    mark(context, X.at(p.m[X.t]), Y.at(p.m[Y.t]), p.role, colours, size);
  };
  store.checked.filter((p) => !p.role).forEach(draw);
  store.checked.filter((p) => p.role).forEach(draw);
  context.globalAlpha = 1;
}

/** The chosen mix with its likely range. */
export function drawPick(surface, X, Y, pick, size = 8) {
  const { context, colours } = surface;
  const x = X.at(pick.m[X.t]);
  const y = Y.at(pick.m[Y.t]);
  context.strokeStyle = colours.pick;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(X.within(pick.lo[X.t]), y);
  context.lineTo(X.within(pick.hi[X.t]), y);
  context.moveTo(x, Y.within(pick.lo[Y.t]));
  context.lineTo(x, Y.within(pick.hi[Y.t]));
  context.stroke();
  if (pick.kind === "checked" && pick.guess) tail(surface, X, Y, pick);
  if (pick.kind === "checked") diamond(context, x, y, size + 0.5, colours.pick, colours.background);
  else circle(context, x, y, size, colours.pick, { fill: colours.background, width: 3 });
}

/** From what was predicted to what was measured. */
function tail({ context, colours }, X, Y, pick) {
  const [x, y] = [X.at(pick.guess.m[X.t]), Y.at(pick.guess.m[Y.t])];
  context.setLineDash([3, 2]);
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(X.at(pick.m[X.t]), Y.at(pick.m[Y.t]));
  context.stroke();
  context.setLineDash([]);
  circle(context, x, y, 4.5, colours.pick, { fill: colours.background, width: 2 });
}

/** The mix nearest to a pixel: {far, make}; measured ones are easier to hit, ruled-out ones harder. */
export function nearestMark(store, X, Y, px, py, reach) {
  let hit = { far: reach * reach, make: null };
  const test = (mx, my, favour, make) => {
    const far = ((X.at(mx) - px) ** 2 + (Y.at(my) - py) ** 2) * favour;
    if (far < hit.far) hit = { far, make };
  };
  store.checked.forEach((p, j) => test(p.m[X.t], p.m[Y.t], 0.5, () => store.byChecked(j) ?? { ...p, kind: "line" }));
  const { cloud } = store;
  if (store.predicted) for (let i = 0; i < cloud.n; i += 1) test(cloud.m[i * cloud.T + X.t], cloud.m[i * cloud.T + Y.t], store.found.broken[i] ? 4 : 1, () => store.byIndex(i));
  store.others.forEach((other, index) => {
    if (store.look.hidden.has(other.name)) return;
    const at = (p, kind) => ({ ...p, kind: "other", was: kind, other: index, title: other.title });
    other.checked.forEach((p) => test(p.m[X.t], p.m[Y.t], 0.8, () => at(p, "checked")));
    const { n, T, d, m, c } = other.cloud;
    for (let i = 0; i < n; i += 1) test(m[i * T + X.t], m[i * T + Y.t], 1.5, () => at({ m: Array.from(m.slice(i * T, i * T + T)), c: Array.from(c.slice(i * d, i * d + d)) }, "predicted"));
  });
  return hit;
}
