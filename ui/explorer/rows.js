// One row per task: what the mix scores, the minimum ("at least"), the lock, the nudge buttons with their price tags.
import { outcomes } from "./fronts.js";
import { circle, screen, sizeOf } from "./marks.js";
import { chance } from "./maths.js";
import { difference, digits, fill, interval, number, priceTag, suffix } from "./words.js";

const STEPS = 1000;

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

export function button(className, text, label, onClick) {
  const element = make("button", className, text);
  element.type = "button";
  if (label) {
    element.setAttribute("aria-label", label);
    element.title = label;
  }
  element.addEventListener("click", onClick);
  return element;
}

export class TaskRow {
  constructor(store, t) {
    this.store = store;
    this.t = t;
    const { text } = store.data;
    const task = store.tasks[t];
    this.element = make("section", "task");
    this.element.setAttribute("aria-label", task.title);
    const head = make("header");
    this.value = make("b", "value");
    this.range = make("span", "range");
    head.append(make("span", "name", task.title), this.value, this.range);
    this.track = this.makeTrack(task, text);
    const foot = make("div", "foot");
    this.level = make("span", "level");
    this.lock = button("lock", "", "", () => store.toggleLock(t));
    this.less = button("nudge", "−", fill(text.less, { task: task.title }), (e) => this.press(-1, e));
    this.more = button("nudge", "+", fill(text.more, { task: task.title }), (e) => this.press(1, e));
    this.price = make("span", "price");
    const buttons = make("span", "buttons");
    buttons.append(this.less, this.more, this.price);
    foot.append(this.level, this.lock);
    this.odds = make("p", "odds");
    this.element.append(head, this.track, foot, buttons, this.odds);
    [this.less, this.more].forEach((b) => this.repeat(b));
  }

  makeTrack(task, text) {
    const track = make("div", "track");
    const rail = make("div", "rail");
    [this.open, this.shut, this.likely, this.dot] = ["open", "shut", "likely", "dot"].map((name) => make("span", name));
    this.dots = make("canvas", "dots");
    this.dots.setAttribute("aria-hidden", "true");
    rail.append(this.open, this.shut, this.likely, this.dots, this.dot);
    this.input = make("input");
    Object.assign(this.input, { type: "range", min: 0, max: STEPS, step: 1 });
    this.input.setAttribute("aria-label", fill(text.minimumFor, { task: task.title }));
    this.input.addEventListener("pointerdown", () => { this.fresh = true; });
    this.input.addEventListener("input", () => this.slide(Number(this.input.value)));
    this.input.addEventListener("keydown", (event) => this.key(event));
    track.append(rail, this.input);
    return track;
  }

  /** Domain of the track: from the worst mix on the map to the best mix or specialist. */
  domain() {
    const { range, tasks, checked } = this.store;
    const { t } = this;
    const known = checked.map((p) => p.m[t]);
    const low = Math.min(range.low[t], ...known);
    const high = Math.max(range.high[t], ...known);
    const pad = Math.max(0.04 * (high - low), tasks[t].floor * 0.2, 1e-6);
    return [low - pad, high + pad];
  }

  slide(position) {
    const [low, high] = this.domain();
    this.store.setMinimum(this.t, position <= 0 ? null : low + ((high - low) * position) / STEPS, this.fresh !== false);
    this.fresh = false;
  }

  key(event) {
    const task = this.store.tasks[this.t];
    const point = (event.shiftKey ? 0.2 : 1) / task.scale;
    const moves = { ArrowRight: point, ArrowUp: point, ArrowLeft: -point, ArrowDown: -point, PageUp: 5 * point, PageDown: -5 * point };
    if (event.key === "Home") this.store.setMinimum(this.t, null);
    else if (event.key in moves) {
      const [low, high] = this.domain();
      const level = (this.store.state.min[this.t] ?? low) + moves[event.key];
      this.store.setMinimum(this.t, level <= low ? null : Math.min(level, high));
    } else return;
    event.preventDefault();
  }

  step(event) {
    return (event?.shiftKey ? 0.2 : 1) / this.store.tasks[this.t].scale;
  }

  press(sign, event) {
    if (this.held) {
      this.held = false;
      return;
    }
    this.store.press(this.t, sign * this.step(event));
  }

  /** Press and hold repeats. */
  repeat(element) {
    const sign = element === this.more ? 1 : -1;
    let timer = null;
    const stop = () => {
      clearInterval(timer);
      timer = null;
    };
    element.addEventListener("pointerdown", (event) => {
      this.held = false;
      stop();
      timer = setInterval(() => {
        this.held = true;
        this.store.press(this.t, sign * this.step(event));
      }, 350);
    });
    ["pointerup", "pointerleave", "pointercancel"].forEach((name) => element.addEventListener(name, stop));
  }

  draw(colours) {
    const { store, t } = this;
    const { state, found, tasks, data } = store;
    const { text } = data;
    const task = tasks[t];
    const { pick, unit } = state;
    const minimum = state.min[t];
    const [low, high] = this.domain();
    const share = (v) => Math.min(1, Math.max(0, (v - low) / (high - low)));
    const box = (element, from, to) => {
      element.style.left = `${100 * from}%`;
      element.style.width = `${100 * Math.max(0, to - from)}%`;
    };
    const reach = Number.isFinite(found.reach[t]) ? found.reach[t] : low;
    box(this.open, share(minimum ?? low), share(reach));
    box(this.shut, share(reach), reach < found.best[t] ? 1 : 0); // what no mix reaches was not ruled out by anybody
    this.input.value = String(minimum === null ? 0 : Math.max(1, Math.round(STEPS * share(minimum))));
    const level = minimum === null ? text.noLimit : fill(text.atLeast, { level: number(minimum, task, unit) + suffix(task, unit) });
    this.level.textContent = task.sign < 0 && minimum !== null ? fill(text.atMost, { level: number(minimum, task, unit) + suffix(task, unit) }) : level;
    this.input.setAttribute("aria-valuetext", `${this.level.textContent}. ${fill(text.reach, { level: number(reach, task, unit) + suffix(task, unit) })}`);
    const below = minimum !== null && Boolean(pick) && pick.m[t] < minimum - 1e-9;
    this.element.classList.toggle("stuck", below || (found.alive === 0 && minimum !== null && minimum > reach));
    this.lock.textContent = state.lock[t] ? text.locked : text.lock;
    this.lock.setAttribute("aria-pressed", String(state.lock[t]));
    this.lock.title = text.lockHelp;
    if (!pick) return;
    this.value.textContent = number(pick.m[t], task, unit) + suffix(task, unit);
    this.range.textContent =
      pick.kind === "checked"
        ? fill(text.measuredRange, { half: difference((pick.hi[t] - pick.lo[t]) / 2, task, unit).toFixed(Math.max(1, digits(task))) })
        : interval(pick.lo[t], pick.hi[t], task, unit, text);
    box(this.likely, share(pick.lo[t]), share(pick.hi[t]));
    this.dot.style.left = `${100 * share(pick.m[t])}%`;
    this.dot.className = pick.kind === "checked" ? "dot checked" : "dot";
    this.drawPrice(task, text, unit);
    this.drawDots(colours, share, minimum);
    const odds = Math.round(20 * chance(pick.m[t], pick.lo[t], pick.hi[t], minimum));
    const likely = minimum !== null && pick.kind !== "checked" && odds < 20 ? fill(text.odds, { n: odds }) : "";
    this.odds.textContent = below && pick.kind === "checked" ? text.below : likely;
  }

  drawPrice(task, text, unit) {
    const offer = this.store.offer(this.t, 1 / task.scale);
    this.price.textContent = priceTag(offer ? offer.cost : null, this.store.tasks, text, unit);
    this.price.classList.toggle("free", Boolean(offer) && offer.cost.length === 0);
    this.more.setAttribute("aria-label", `${fill(text.more, { task: task.title })}: ${this.price.textContent}`);
    this.more.disabled = offer === null;
    this.less.disabled = this.store.offer(this.t, -1 / task.scale) === null;
  }

  /** Twenty equally likely outcomes on the track; those below the minimum are hollow. None once it was measured. */
  drawDots(colours, share, minimum) {
    if (sizeOf(this.dots)[0] < 40) return;
    const surface = screen(this.dots, colours);
    const { pick } = this.store.state;
    if (pick.kind === "checked") return;
    const { width, height, context } = surface;
    const stacks = new Map();
    outcomes(pick.m[this.t], pick.lo[this.t], pick.hi[this.t]).forEach((value) => {
      const column = Math.round((share(value) * width) / 4);
      if (!stacks.has(column)) stacks.set(column, []);
      stacks.get(column).push(minimum !== null && value < minimum);
    });
    stacks.forEach((missed, column) => {
      const step = Math.min(4, (height - 4) / missed.length);
      missed.forEach((below, k) => circle(context, column * 4, height - 2.5 - k * step, 1.6, colours.pick, { fill: below ? colours.background : colours.pick, width: 1 }));
    });
  }
}
