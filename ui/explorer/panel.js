// Everything that is not a canvas or a task row: chips, units, repairs, gains, strengths, table, keys.
import { chipKey } from "./maths.js";
import { button, make } from "./rows.js";
import { canKeep, describe, describeLimits, difference, fill, number, signed, suffix } from "./words.js";

/** Rebuild a part only when what it says has changed, so that the keyboard's focus stays where it was. */
function renew(element, signature, build) {
  if (element.dataset.says === signature) return;
  element.dataset.says = signature;
  element.replaceChildren(...build());
}

function press(element, keys, now) {
  element.querySelectorAll("button").forEach((node, k) => node.setAttribute("aria-pressed", String(keys[k] === now)));
}

export function chipTitle(store, chip) {
  const { text } = store.data;
  return chip.task === null ? text.chips[chip.id] : fill(text.chips.best, { task: store.tasks[chip.task].title });
}

export function drawChips(element, store) {
  const { text } = store.data;
  const keys = store.presets.map(chipKey);
  renew(element, `${store.revision} ${keys}`, () => [
    make("span", "label", text.startFrom),
    ...store.presets.map((chip) => {
      const node = button("chip", chipTitle(store, chip), "", () => store.choose(store.byIndex(chip.index), chipKey(chip)));
      node.title = whyOf(store, chip);
      return node;
    }),
  ]);
  press(element, keys, store.state.chip);
}

function whyOf(store, chip) {
  const { text } = store.data;
  return chip.task === null ? text.why[chip.id] : fill(text.why.best, { task: store.tasks[chip.task].title });
}

export function drawWhy(element, store) {
  const chip = store.presets.find((p) => chipKey(p) === store.state.chip);
  element.textContent = chip ? whyOf(store, chip) : store.data.text.whyOwn;
}

/** The switch of units, and in a line what the chosen one means. */
export function drawUnits(element, meaning, store) {
  const { text } = store.data;
  const units = ["kept", "score", "gain"].filter(
    (unit) => unit === "score" || (unit === "kept" ? store.tasks.some(canKeep) : store.tasks.some((t) => t.average !== null)),
  );
  renew(element, String(units), () =>
    units.map((unit) => {
      const node = button("unit", text.units[unit], "", () => store.act((s) => { s.unit = unit; }, false));
      node.title = text.unitHelp[unit];
      return node;
    }),
  );
  press(element, units, store.state.unit);
  const says = text.unitHelp[store.state.unit];
  if (meaning.textContent !== says) meaning.textContent = says;
}

export function drawHistory(element, store, help) {
  const { text } = store.data;
  renew(element, "history", () => [
    button("quiet", text.undo, "", () => store.undo()),
    button("quiet", text.redo, "", () => store.redo()),
    button("quiet", text.reset, "", () => store.reset()),
    button("quiet", text.keys, "", help),
    copyButton(text),
  ]);
  element.children[0].disabled = !store.past.length;
  element.children[1].disabled = !store.future.length;
}

/** The address says what is chosen, so it is all that another person needs. Where the clipboard is closed, say where it is. */
function copyButton(text) {
  const node = button("quiet", text.copyLink, "", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      node.textContent = text.copied;
    } catch {
      node.textContent = text.copyByHand;
    }
    setTimeout(() => { node.textContent = text.copyLink; }, 4000);
  });
  node.setAttribute("aria-live", "polite");
  return node;
}

/** The line of survivors, or the amber box with the ways out. Never an empty map. */
export function drawLimits(element, store) {
  const { text } = store.data;
  const { unit, min } = store.state;
  element.classList.toggle("amber", store.found.alive === 0);
  if (store.found.alive) {
    const sentence = describeLimits(store.found, store.cloud, min, store.tasks, text, unit);
    renew(element, sentence, () => [make("span", "", sentence)]);
    return;
  }
  const level = (repair) => number(repair.level, store.tasks[repair.task], unit) + suffix(store.tasks[repair.task], unit);
  const ways = store.repairs.map((repair) => ({ repair, label: fill(text.lower, { task: store.tasks[repair.task].title, level: level(repair) }) }));
  renew(element, JSON.stringify([ways, store.closest, min, unit]), () => [
    make("b", "", text.none),
    make("p", "miss", closestWords(store)),
    ...ways.map(({ repair, label }) => button("repair", label, "", () => store.setMinimum(repair.task, repair.level - 1e-9))),
    ...(ways.length ? [] : [button("repair", text.lowerAll, "", () => store.lowerAll())]),
    button("repair", text.showClosest, "", () => store.choose(store.byIndex(store.closest))),
  ]);
}

/** "The closest one misses Digits by 1.8 and Flags by 0.4." */
function closestWords(store) {
  const { min, unit } = store.state;
  const { T, m } = store.cloud;
  const missed = store.tasks
    .map((task, t) => ({ task, short: min[t] === null ? 0 : min[t] - m[store.closest * T + t] }))
    .filter(({ short }) => short > 1e-9)
    .map(({ task, short }) => fill(store.data.text.missBy, { task: task.title, by: Math.max(difference(short, task, unit), 0.1).toFixed(1) }));
  return fill(store.data.text.closestMisses, { list: missed.join(", ") });
}

export function drawStatus(element, store) {
  const { text } = store.data;
  const { pick } = store.state;
  element.className = `status ${pick?.kind ?? ""}`;
  element.textContent = pick ? text.kind[pick.kind] : "";
}

export function drawWords(element, store) {
  const { pick } = store.state;
  if (!pick) return;
  const { text } = store.data;
  const parts = [describe(pick, store.tasks, text, store.gains(pick), store.reference?.title ?? "")];
  if (pick.kind === "checked" && pick.guess) {
    const pairs = store.tasks.map((task, t) => `${task.title} ${signed(pick.m[t] - pick.guess.m[t], task, "score")}`);
    parts.push(fill(text.againstGuess, { list: pairs.join(", ") }));
  }
  store.said = parts.join(" ");
  if (element.textContent !== store.said) element.textContent = store.said;
}

/** Strengths of the specialists, for those who want to turn the knobs themselves. */
export class Strengths {
  constructor(store) {
    this.element = make("details", "strengths");
    this.element.append(make("summary", "", store.data.text.strengths), make("p", "hint", store.data.text.strengthsHint));
    this.rows = store.experts.map((expert, k) => {
      const label = make("label");
      const input = make("input");
      Object.assign(input, { type: "range", min: expert.low, max: expert.high, step: 0.01 });
      const output = make("output");
      label.append(make("span", "", expert.title), input, output);
      let fresh = true;
      input.addEventListener("input", () => {
        const c = this.rows.map((r) => Number(r.input.value));
        store.act((s) => Object.assign(s, { pick: store.byStrengths(c), chip: null }), fresh);
        fresh = false;
      });
      input.addEventListener("change", () => { fresh = true; });
      this.element.append(label);
      return { input, output, k };
    });
  }

  draw(store) {
    const { pick } = store.state;
    if (!pick) return;
    this.rows.forEach((r) => {
      r.input.value = String(pick.c[r.k]);
      r.output.textContent = pick.c[r.k].toFixed(2);
    });
  }
}

/** The map as a table: the mixes nearest to the choice, checked and predicted ones, at most 50. */
export function drawTable(element, store) {
  const { text } = store.data;
  const { pick, unit } = store.state;
  if (!pick) return;
  const { cloud, checkedCloud, range, tasks } = store;
  const far = (m, i) => tasks.reduce((sum, _, t) => sum + ((m[i * tasks.length + t] - pick.m[t]) / range.span[t]) ** 2, 0);
  const rows = store.checked.map((p, j) => ({ far: far(checkedCloud.m, j), make: () => store.byChecked(j) ?? { ...p, kind: "line" } }));
  if (store.predicted) for (let i = 0; i < cloud.n; i += 1) rows.push({ far: far(cloud.m, i), make: () => store.byIndex(i) });
  const mixes = rows.sort((a, b) => a.far - b.far).slice(0, 50).map((row) => row.make());
  renew(element, JSON.stringify([store.revision, unit, pick.c, pick.kind]), () => {
    const table = make("table");
    const head = make("tr");
    head.append(make("th", "", text.trayMix), ...tasks.map((task) => make("th", "", task.title)), make("th", "", text.trayTools));
    table.append(head, ...mixes.map((mix) => tableLine(mix, store, text, unit)));
    const box = make("div", "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", text.asTable);
    box.append(table);
    return [make("p", "hint", text.tableHint), box];
  });
}

function tableLine(mix, store, text, unit) {
  const line = make("tr");
  line.append(make("th", "", mix.title || text.kindShort[mix.kind]));
  store.tasks.forEach((task, t) => line.append(make("td", "", number(mix.m[t], task, unit) + suffix(task, unit))));
  const tools = make("td");
  if (mix.kind !== "line") tools.append(button("quiet", text.choose, "", () => store.choose(mix)));
  line.append(tools);
  return line;
}

/** The map of keys, as a box that Escape closes. */
export function makeKeys(text) {
  const box = make("dialog", "keys");
  const list = make("dl");
  text.keyMap.forEach(([key, what]) => list.append(make("dt", "", key), make("dd", "", what)));
  box.append(make("h4", "", text.keys), list, button("second", text.close, "", () => box.close()));
  box.setAttribute("aria-label", text.keys);
  return box;
}
