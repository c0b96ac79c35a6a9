// Everything that is not a canvas or a task row: chips, units, repairs, strengths, tray, table.
import { button, make } from "./rows.js";
import { canKeep, describe, describeLimits, fill, number, signed, suffix } from "./words.js";

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

export function chipKey(chip) {
  return chip.task === null ? chip.id : `best-${chip.task}`;
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

export function drawUnits(element, store) {
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
}

export function drawHistory(element, store) {
  const { text } = store.data;
  renew(element, "history", () => [
    button("quiet", text.undo, "", () => store.undo()),
    button("quiet", text.redo, "", () => store.redo()),
    button("quiet", text.reset, "", () => store.reset()),
  ]);
  element.children[0].disabled = !store.past.length;
  element.children[1].disabled = !store.future.length;
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
  const ways = store.repairs.map((repair) => {
    const task = store.tasks[repair.task];
    return { repair, label: fill(text.lower, { task: task.title, level: number(repair.level, task, unit) + suffix(task, unit) }) };
  });
  renew(element, JSON.stringify([ways, store.closest]), () => [
    make("b", "", text.none),
    ...ways.map(({ repair, label }) => button("repair", label, "", () => store.setMinimum(repair.task, repair.level - 1e-9))),
    ...(ways.length ? [] : [button("repair", text.lowerAll, "", () => store.lowerAll())]),
    button("repair", text.showClosest, "", () => store.choose(store.byIndex(store.closest))),
  ]);
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
  const parts = [describe(pick, store.tasks, text)];
  if (pick.kind === "checked" && pick.guess) {
    const pairs = store.tasks.map((task, t) => `${task.title} ${signed(pick.m[t] - pick.guess.m[t], task, "score")}`);
    parts.push(fill(text.againstGuess, { list: pairs.join(", ") }));
  }
  element.textContent = parts.join(" ");
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

export function drawTray(element, store) {
  const { text } = store.data;
  const { tray, pick } = store.state;
  const says = JSON.stringify([tray, pick?.c]);
  if (element.dataset.says === says) return;
  element.dataset.says = says;
  element.replaceChildren();
  element.hidden = !tray.length;
  if (!tray.length) return;
  const table = make("table");
  const head = make("tr");
  head.append(make("th", "", text.trayMix), ...store.tasks.map((task) => make("th", "", task.title)), make("th", "", ""));
  table.append(head);
  tray.forEach((mix, k) => {
    const line = make("tr");
    const name = make("th", "", `${"ABCD"[k]} · ${text.kindShort[mix.kind]}`);
    line.append(name);
    store.tasks.forEach((task, t) => line.append(make("td", "", trayCell(mix, k, tray, task, t, text))));
    const tools = make("td");
    tools.append(
      button("quiet", text.show, "", () => store.choose(mix)),
      button("quiet", text.remove, "", () => store.drop(k)),
    );
    line.append(tools);
    if (pick && mix.c.every((v, i) => Math.abs(v - pick.c[i]) < 1e-6)) line.className = "current";
    table.append(line);
  });
  element.append(make("h4", "", text.tray), table);
}

function trayCell(mix, k, tray, task, t, text) {
  const value = number(mix.m[t], task, "score") + task.suffix;
  if (k === 0) return value;
  const delta = mix.m[t] - tray[0].m[t];
  const note = Math.abs(delta) <= task.floor ? text.aboutSame : fill(text.versusA, { delta: signed(delta, task, "score") });
  return `${value}  ${note}`;
}

/** The map as a table: the checked mixes and the predicted ones nearest to the choice. */
export function drawTable(element, store) {
  const { text } = store.data;
  const { pick, unit } = store.state;
  element.replaceChildren(make("summary", "", text.asTable));
  if (!element.open || !pick) return;
  const mixes = store.checked.map((_, j) => store.byChecked(j)).filter((mix) => mix !== null);
  if (store.data.predicted.length) for (let i = 0; i < store.cloud.n; i += 1) mixes.push(store.byIndex(i));
  const far = (mix) => mix.m.reduce((sum, v, t) => sum + ((v - pick.m[t]) / store.range.span[t]) ** 2, 0);
  const table = make("table");
  const head = make("tr");
  head.append(make("th", "", text.trayMix), ...store.tasks.map((task) => make("th", "", task.title)), make("th", "", ""));
  table.append(head);
  mixes.map((mix) => [far(mix), mix]).sort((a, b) => a[0] - b[0]).slice(0, 30).forEach(([, mix]) => {
    const line = make("tr");
    line.append(make("th", "", mix.title || text.kindShort[mix.kind]));
    store.tasks.forEach((task, t) => line.append(make("td", "", number(mix.m[t], task, unit) + suffix(task, unit))));
    const tools = make("td");
    tools.append(button("quiet", text.choose, "", () => store.choose(mix)));
    line.append(tools);
    table.append(line);
  });
  element.append(table);
}
