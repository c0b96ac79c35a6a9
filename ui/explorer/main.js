// The component: builds the page once, redraws on every change, tells Python when the hand rests.
import { palette, sizes } from "./marks.js";
import { drawChips, drawHistory, drawLimits, drawStatus, drawUnits, drawWhy, drawWords, makeKeys, Strengths } from "./panel.js";
import { button, make, TaskRow } from "./rows.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Tabs } from "./tabs.js";
import { TWENTY } from "./fronts.js";

const REST = 200;
const SAY = 500;
const WOBBLE = 400;
const DRAWS = 20;
const PATIENCE = 60000;
const apps = new WeakMap();
const heavy = new Map(); // messages by revision: Python sends the large parts once

/** The message with its large parts, or null where they are not here (yet). */
function complete(data) {
  if (data.cloud) {
    if (heavy.size > 3) heavy.delete(heavy.keys().next().value);
    heavy.set(data.rev, { ...heavy.get(data.rev), ...data });
  } else if (data.samples && heavy.has(data.rev)) heavy.get(data.rev).samples = data.samples;
  const kept = heavy.get(data.rev);
  return kept ? { ...kept, ...data } : null;
}

class Explorer {
  constructor(component, data) {
    this.root = component.parentElement.querySelector(".mx") ?? component.parentElement.appendChild(make("div", "mx"));
    this.connect(component);
    this.store = new Store(data);
    this.sent = {};
    this.shape = this.shapeOf(data);
    this.build();
    this.watch();
    this.schedule();
    this.tell();
  }

  connect(component) {
    this.send = component.setStateValue;
  }

  shapeOf(data) {
    return JSON.stringify([data.study, data.method.name, data.tasks.map((t) => t.name), data.experts.map((e) => e.name), data.others.map((o) => o.name)]);
  }

  update(component, data) {
    this.connect(component);
    if (this.shapeOf(data) !== this.shape) {
      this.store = new Store(data);
      this.shape = this.shapeOf(data);
      this.build();
    } else this.store.load(data);
    this.heard(data.heard);
    this.schedule();
    this.tell();
  }

  build() {
    const { store } = this;
    const { text } = store.data;
    store.listeners = [(settled) => this.changed(settled)];
    const part = (tag, name) => make(tag, name);
    this.parts = { chips: part("div", "chips"), why: part("p", "why"), unit: part("p", "meaning"), units: part("div", "units"), busy: part("p", "hint busy"), history: part("div", "history"), limits: part("div", "limits"), status: part("span", "status") };
    const p = this.parts;
    [[p.units, text.unitLabel], [p.chips, text.startFrom]].forEach(([element, label]) => {
      element.setAttribute("role", "group");
      element.setAttribute("aria-label", label);
    });
    p.limits.setAttribute("aria-live", "polite");
    this.live = make("p", "hidden");
    this.live.setAttribute("aria-live", "polite");
    const bar = make("div", "bar");
    bar.append(p.chips, p.units);
    const told = make("div", "told");
    told.append(p.why, p.unit);
    p.busy.setAttribute("role", "status");
    const left = make("div", "left");
    const title = make("div", "title");
    title.append(make("h3", "", text.yourMix), p.status);
    this.rows = store.tasks.map((_, t) => new TaskRow(store, t));
    this.strengths = new Strengths(store);
    this.stage = new Stage(store, this);
    this.tabs = new Tabs(store);
    this.keys = makeKeys(text);
    left.append(title, ...this.rows.map((r) => r.element), p.limits, this.actions(text), p.busy, p.history, this.strengths.element);
    const grid = make("div", "grid");
    grid.append(left, this.stage.element);
    this.root.replaceChildren(bar, told, grid, this.tabs.element, this.keys, this.live);
    this.observer?.disconnect();
    this.observer = new ResizeObserver((seen) => {
      sizes(seen);
      this.schedule();
    });
    [this.root, ...this.root.querySelectorAll("canvas")].forEach((one) => this.observer.observe(one));
  }

  actions(text) {
    const actions = make("div", "actions");
    this.check = button("main", text.check, "", () => this.request("check"));
    this.use = button("second", text.use, "", () => this.request("use"));
    this.keep = button("second", text.keep, "", () => {
      this.store.keep();
      this.store.see({ tab: "compare" });
    });
    actions.append(this.check, this.use, this.keep);
    return actions;
  }

  /** Keys that work anywhere inside, except while typing or turning a slider. */
  key(event) {
    const { store } = this;
    const command = event.ctrlKey || event.metaKey;
    const name = event.key.toLowerCase();
    if (event.target.tagName === "SELECT") return;
    if (command && name === "z") (event.shiftKey ? store.redo() : store.undo());
    else if (command && name === "y") store.redo();
    else if (command || event.altKey) return;
    else if (name === "[" || name === "]") this.step(name === "]" ? 1 : -1);
    else if (name === "c") this.request("check");
    else if (name === "t") this.keep.click();
    else if (name === "?") this.help();
    else if (name === "l" && this.focused() >= 0) store.toggleLock(this.focused());
    else return;
    event.preventDefault();
  }

  help() {
    if (!this.keys.open) this.keys.showModal();
  }

  focused() {
    return this.rows.findIndex((r) => r.element.matches(":focus-within"));
  }

  step(direction) {
    const index = this.store.beside(direction);
    if (index >= 0) this.store.choose(this.store.byIndex(index));
  }

  request(name) {
    const { pick } = this.store.state;
    if (!pick || (name === "check" && (pick.kind === "checked" || this.sent.check || this.store.data.busy))) return;
    this.wish(name, this.store.report());
  }

  /**
   * Ask Python for something. A value that stays until Python says that it was heard: a trigger is lost where the page
   * is drawn anew at the same moment. What was asked for is said at once, since an answer may take seconds.
   */
  wish(name, more) {
    this.sent = { [name]: true, stamp: Date.now() };
    this.send("wish", { ...more, name, stamp: this.sent.stamp });
    clearTimeout(this.answer);
    this.answer = setTimeout(() => this.answered(), PATIENCE);
    this.schedule();
  }

  answered() {
    clearTimeout(this.answer);
    this.sent = {};
    this.schedule();
  }

  /** Take a wish back that Python has heard, so that no reconnection repeats it. */
  heard(stamp) {
    if (!stamp || stamp !== this.sent.stamp) return;
    this.answered();
    this.send("wish", null);
  }

  /** Ask Python for another way of blending, at the mix that was pressed. */
  turnTo(method, pick) {
    this.wish("turn", { method, pick });
  }

  /** Likely outcomes of the chosen mix one after the other, a few seconds long; any change ends it. */
  wobble() {
    const { store } = this;
    if (this.dance) return this.still();
    let left = DRAWS;
    this.dance = setInterval(() => {
      const { pick } = store.state;
      left -= 1;
      if (!pick || left < 0) return this.still();
      store.look.draw = pick.m.map((v, t) => v + TWENTY[Math.floor(Math.random() * 20)] * ((pick.hi[t] - pick.lo[t]) / 3.28971));
      this.schedule();
    }, WOBBLE);
    this.stage.wobble.setAttribute("aria-pressed", "true");
  }

  still() {
    clearInterval(this.dance);
    this.dance = null;
    this.store.look.draw = null;
    this.stage.wobble.setAttribute("aria-pressed", "false");
    this.schedule();
  }

  changed() {
    if (this.dance) this.still();
    this.schedule();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.tell(), REST);
  }

  tell() {
    if (this.sent.use) return; // said with the wish: the next page is on its way
    const report = JSON.stringify(this.store.report());
    if (report === this.told) return;
    this.told = report;
    this.send("choice", JSON.parse(report));
  }

  schedule() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  draw() {
    const { store, parts: p } = this;
    if (!store.cloud.n) return;
    const colours = palette(this.root);
    const { text } = store.data;
    const busy = store.data.busy || (this.sent.check ? text.moment : null);
    this.root.classList.toggle("dark", colours.dark);
    drawChips(p.chips, store);
    drawWhy(p.why, store);
    drawUnits(p.units, p.unit, store);
    drawHistory(p.history, store, () => this.help());
    drawLimits(p.limits, store);
    drawStatus(p.status, store);
    drawWords(this.stage.words, store);
    this.rows.forEach((r) => r.draw(colours));
    this.strengths.draw(store);
    const checked = store.state.pick?.kind === "checked";
    this.check.setAttribute("aria-disabled", String(checked || Boolean(busy))); // stays in reach: the focus is on it
    this.check.textContent = checked ? text.checkedAlready : busy ? text.checking : text.check;
    this.check.className = checked ? "second" : "main";
    const wait = checked || !busy ? "" : busy;
    if (p.busy.textContent !== wait) p.busy.textContent = wait;
    this.use.textContent = this.sent.use ? text.moment : text.use;
    this.use.className = checked ? "main" : "second";
    this.keep.disabled = store.state.tray.length >= 4;
    this.stage.draw(colours);
    this.tabs.draw(colours);
    this.stage.canvas.setAttribute("aria-label", `${text.mapLabel} ${p.limits.textContent} ${store.said ?? ""}`);
    clearTimeout(this.speak);
    this.speak = setTimeout(() => { this.live.textContent = store.said ?? ""; }, SAY);
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1);
  }

  watch() {
    this.onKey = (event) => this.key(event);
    this.root.addEventListener("keydown", this.onKey);
  }

  stop() {
    this.observer.disconnect();
    this.root.removeEventListener("keydown", this.onKey);
    cancelAnimationFrame(this.pending);
    clearInterval(this.dance);
    clearTimeout(this.rest);
    clearTimeout(this.speak);
    clearTimeout(this.answer);
  }
}

export default function explorer(component) {
  const home = component.parentElement;
  try {
    const data = complete(component.data);
    if (!data) component.setTriggerValue("need", { rev: component.data.rev, stamp: Date.now() });
    else if (apps.has(home)) apps.get(home).update(component, data);
    else apps.set(home, new Explorer(component, data));
  } catch (error) {
    console.warn(error); // Python says it on the page, in words, and shows plain charts
    component.setStateValue("failure", String(error?.message ?? error));
  }
  return () => {
    apps.get(home)?.stop();
    apps.delete(home);
  };
}
