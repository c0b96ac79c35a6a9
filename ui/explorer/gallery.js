// Real samples with what the chosen mix says of each, beside the base and the specialists; what flips is marked.
import { make } from "./rows.js";
import { fill } from "./words.js";

const FILTERS = ["all", "won", "lost"];

export class Gallery {
  constructor(store) {
    this.store = store;
    this.element = make("div", "gallery");
    this.task = 0;
    this.filter = "all";
  }

  /** Built anew only when other samples come; while a slider moves only texts and marks change. */
  build(task) {
    const { store } = this;
    const { text } = store.data;
    this.built = task;
    this.counts = make("p", "counts");
    this.tiles = Array.from({ length: task.shown }, (_, i) => this.tile(task, i, text));
    const grid = make("ul", "tiles");
    grid.append(...this.tiles.map((t) => t.element));
    this.empty = make("p", "hint", text.noneOfThem);
    this.element.replaceChildren(this.chooser(text), this.counts, grid, this.empty, make("p", "hint", text.galleryNote));
  }

  chooser(text) {
    const { store } = this;
    const bar = make("div", "stagebar");
    const pick = (label, options, value, onChange) => {
      const box = make("label", "", label);
      const select = make("select");
      options.forEach(([key, title]) => {
        const option = make("option", "", title);
        option.value = key;
        select.append(option);
      });
      select.value = value;
      select.addEventListener("change", () => onChange(select.value));
      box.append(select);
      return box;
    };
    const tasks = store.tasks.map((task, t) => [String(t), task.title]).filter(([t]) => store.samples.tasks[t]);
    const axes = make("div", "axes");
    axes.append(
      pick(text.task, tasks, String(this.task), (value) => { this.task = Number(value); store.see({}); }),
      pick(text.comparedWith, store.lines.map((p) => [p.label, p.title]), store.reference?.label ?? "", (value) => store.see({ reference: value })),
      pick(text.filter, FILTERS.map((f) => [f, text.filters[f]]), this.filter, (value) => { this.filter = value; store.see({}); }),
    );
    bar.append(axes);
    return bar;
  }

  tile(task, i, text) {
    const element = make("li", "tile");
    if (task.texts) element.append(make("blockquote", "", task.texts[i]));
    else if (task.sheet) {
      const picture = make("span", "picture");
      picture.style.backgroundImage = `url("${task.sheet}")`;
      picture.style.backgroundPosition = `${-i * task.side}px 0`;
      picture.style.backgroundSize = `${task.shown * task.side}px ${task.side}px`;
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", fill(text.sampleOf, { answer: task.classes[task.targets[i]] }));
      element.append(picture);
    }
    const facts = make("div", "facts");
    const truth = make("b", "", task.classes[task.targets[i]]);
    const mix = make("span", "says");
    const flip = make("span", "flip");
    const others = this.others(text).map(({ label, title }) => {
      const line = make("span", "says other");
      return { label, title, line };
    });
    facts.append(truth, mix, ...others.map((o) => o.line));
    element.append(flip, facts);
    return { element, mix, flip, others };
  }

  /** Which fixed mixes every tile names: the base and the task's own specialist, or the best of the specialists. */
  others(text) {
    const { store } = this;
    const own = store.tasks[this.task].name;
    const lines = ["base", "average", `expert:${own}`].map((label) => store.lines.find((p) => p.label === label)).filter(Boolean);
    return lines.map((p) => ({ label: p.label, title: text.short[p.label.split(":")[0]] }));
  }

  draw() {
    const { store } = this;
    const { text } = store.data;
    const { pick } = store.state;
    if (!store.samples || !pick) {
      this.built = null;
      this.element.replaceChildren(make("p", "hint", store.packed?.problem || text.samplesComing));
      return;
    }
    if (!store.samples.tasks[this.task]) this.task = store.samples.tasks.findIndex(Boolean);
    const task = store.samples.tasks[this.task];
    if (!task) {
      this.element.replaceChildren(make("p", "hint", text.noSingle));
      return;
    }
    if (this.built !== task) this.build(task);
    const { said, measured } = store.samples.of(pick, this.task);
    const reference = store.reference;
    const other = reference ? store.samples.of(reference, this.task)?.said : null;
    const gain = store.gains(pick)[this.task];
    if (gain && gain.won !== null) this.counts.textContent = fill(measured ? text.countsSure : text.counts, { task: store.tasks[this.task].title, won: gain.won, lost: gain.lost, n: gain.n, other: reference.title });
    let seen = 0;
    this.tiles.forEach((tile, i) => {
      const state = this.paint(tile, i, task, said, other, text);
      tile.element.hidden = this.filter !== "all" && state !== this.filter;
      if (!tile.element.hidden) seen += 1;
    });
    this.empty.hidden = seen > 0;
  }

  /** Fill one tile; returns "won", "lost" or "same". */
  paint(tile, i, task, said, other, text) {
    const truth = task.targets[i];
    const verdict = (answer) => (answer === truth ? "✓" : "✗");
    const right = said[i] === truth;
    set(tile.mix, `${verdict(said[i])} ${text.short.mix}: ${task.classes[said[i]]}`);
    tile.others.forEach(({ label, title, line }) => {
      const answer = task.said[label]?.[i];
      set(line, answer === undefined ? "" : `${verdict(answer)} ${title}: ${task.classes[answer]}`);
    });
    const before = other ? other[i] === truth : right;
    const state = right === before ? "same" : right ? "won" : "lost";
    const says = `tile ${right ? "hit" : "miss"} ${state}`;
    if (tile.element.className !== says) tile.element.className = says;
    set(tile.flip, state === "same" ? "" : text.flips[state]);
    return state;
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
