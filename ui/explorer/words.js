// Numbers and sentences: units, digits, templates. Pure; all wording comes from Python (ui/copy.py) as templates.

/** "{a} costs {b}" with values; an unknown name stays visible, so that a gap in the texts is seen. */
export function fill(template, values) {
  return String(template ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export function canKeep(task) {
  return task.sign > 0 && task.expert !== null && task.expert > 0;
}

/** A stored value (higher = better) in the unit on the screen. */
export function shown(value, task, unit) {
  if (unit === "kept" && canKeep(task)) return (100 * value) / task.expert;
  if (unit === "gain" && task.average !== null) return (value - task.average) * task.scale;
  return task.sign * value * task.scale;
}

/** The inverse of shown. */
export function stored(number, task, unit) {
  if (unit === "kept" && canKeep(task)) return (number * task.expert) / 100;
  if (unit === "gain" && task.average !== null) return number / task.scale + task.average;
  return (task.sign * number) / task.scale;
}

/** A difference of stored values in the unit on the screen (always positive = better). */
export function difference(delta, task, unit) {
  return unit === "kept" && canKeep(task) ? (100 * delta) / task.expert : delta * task.scale;
}

export function digits(task) {
  const floor = task.floor * task.scale;
  return floor >= 2 ? 0 : task.scale === 1 && floor < 0.05 ? 3 : 1;
}

export function number(value, task, unit) {
  const text = shown(value, task, unit).toFixed(digits(task));
  const clean = /^-0(\.0+)?$/.test(text) ? text.slice(1) : text;
  return unit === "gain" && Number(clean) > 0 ? `+${clean}` : clean.replace("-", "−");
}

export function suffix(task, unit) {
  return unit === "kept" && canKeep(task) ? " %" : unit === "gain" ? task.gainSuffix : task.suffix;
}

/** The likely range; a metric that is better when small has its ends the other way round. */
export function interval(lo, hi, task, unit, text) {
  const ends = [lo, hi].map((v) => number(v, task, unit));
  if (ends[0] === ends[1]) return fill(text.likelyTight, { half: 10 ** -digits(task) });
  return fill(text.likelyRange, { range: (task.sign < 0 && unit !== "gain" ? ends.reverse() : ends).join(" – ") });
}

export function signed(delta, task, unit) {
  const value = difference(delta, task, unit);
  return `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(digits(task))}`;
}

export function list(parts, text) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} ${text.and} ${parts[parts.length - 1]}`;
}

/** The sentence under the map, for eyes and screen readers alike: what it keeps, what is won and lost, with counts. */
export function describe(pick, tasks, text, gains, against) {
  const kept = tasks
    .map((task, t) => (canKeep(task) ? fill(text.keeps, { share: Math.round((100 * pick.m[t]) / task.expert), task: task.title }) : null))
    .filter((part) => part !== null);
  const sentences = [];
  if (kept.length) sentences.push(fill(text.thisKeeps, { list: list(kept, text) }));
  if (gains.length) sentences.push(fill(text.against, { other: against, list: list(gains.map((g) => gainWords(g, tasks[g.task], text, pick.kind === "checked")), text) }));
  return sentences.join(" ");
}

/** "about 12 of 400 more digits right", "9 fewer letters right", "about the same on flags". */
export function gainWords(gain, task, text, sure) {
  if (gain.same) return fill(text.gainSame, { task: task.title });
  const more = gain.delta > 0;
  if (gain.net === null) return fill(more ? text.gainPoints : text.lossPoints, { task: task.title, points: Math.abs(difference(gain.delta, task, "score")).toFixed(digits(task)), unit: task.scale === 100 ? text.pointsWord : task.metric });
  return fill(more ? text.gainCount : text.lossCount, { about: sure ? "" : text.about, count: Math.abs(gain.net), n: gain.n, task: task.title }).trim();
}

/** Where another way of blending reaches more: one sentence from the pieces of compareFronts. */
export function describeMethods(pieces, mine, other, x, y, task, text, unit) {
  const clear = pieces.filter((p) => p.who !== null);
  if (!clear.length) return fill(text.methodsSame, { mine, other });
  const winners = new Set(clear.map((p) => p.who));
  const name = (who) => (who ? other : mine);
  if (pieces.length === 1) return fill(text.methodsAlways, { winner: name(clear[0].who), loser: name(1 - clear[0].who), x, y });
  const level = (v) => number(v, task, unit) + suffix(task, unit);
  const spans = (who) => clear.filter((p) => p.who === who).map((p) => {
    const [first, last] = [p === pieces[0], p === pieces.at(-1)];
    return fill(first ? text.spanBelow : last ? text.spanAbove : text.spanBetween, { from: level(p.from), to: level(p.to), x });
  });
  const parts = [0, 1].filter((who) => winners.has(who)).map((who) => fill(text.methodsWhere, { winner: name(who), loser: name(1 - who), y, list: list(spans(who), text) }));
  const rest = pieces.some((p) => p.who === null) ? ` ${text.methodsElse}` : "";
  return parts.join(" ") + rest;
}

/** What a minimum did: how much it rules out. */
export function describeLimits(found, cloud, minimums, tasks, text, unit) {
  const set = minimums.map((level, t) => (level === null ? null : t)).filter((t) => t !== null);
  if (!set.length) return fill(text.noMinimum, { n: cloud.n });
  const wishes = set.map((t) => `${tasks[t].title} ${number(minimums[t], tasks[t], unit)}${suffix(tasks[t], unit)}`);
  const share = Math.min(99, Math.round(100 * (1 - found.alive / cloud.n)));
  return fill(text.limits, { list: list(wishes, text), share, alive: found.alive, n: cloud.n });
}

export function priceTag(cost, tasks, text, unit) {
  if (cost === null) return text.notPossible;
  if (!cost.length) return text.free;
  const parts = cost.slice(0, 2).map((c) => `${difference(c.loss, tasks[c.task], unit).toFixed(Math.max(1, digits(tasks[c.task])))} ${tasks[c.task].title}`);
  return fill(text.costs, { list: list(parts, text) });
}

/** Round tick positions for an axis. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-12)));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough) ?? power * 10;
  const out = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * step; v += step) out.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return out;
}
