// The component: builds the page once, redraws on every change, tells Python when the hand rests.
import { Ladders } from "./ladders.js";
import { palette } from "./marks.js";
import { ScatterMap } from "./map.js";
import { drawChips, drawHistory, drawLimits, drawStatus, drawTable, drawTray, drawUnits, drawWhy, drawWords, Strengths } from "./panel.js";
import { button, make, TaskRow } from "./rows.js";
import { Store } from "./store.js";
import { fill } from "./words.js";

const REST = 200;
const SAY = 500;
const apps = new WeakMap();

class Explorer {
  constructor(component) {
    this.root = component.parentElement.querySelector(".mx") ?? component.parentElement.appendChild(make("div", "mx"));
    this.connect(component);
    this.store = new Store(component.data);
    this.shape = this.shapeOf(component.data);
    this.build();
    this.watch();
    this.schedule();
    this.tell();
  }

  connect(component) {
    this.send = component.setStateValue;
    this.fire = component.setTriggerValue;
  }

  shapeOf(data) {
    return JSON.stringify([data.study, data.tasks.map((t) => t.name), data.experts.map((e) => e.name)]);
  }

  update(component) {
    this.connect(component);
    if (this.shapeOf(component.data) !== this.shape) {
      this.store = new Store(component.data);
      this.shape = this.shapeOf(component.data);
      this.build();
    } else this.store.load(component.data);
    this.schedule();
  }

  build() {
    const { store } = this;
    const { text } = store.data;
    store.listeners = [(settled) => this.changed(settled)];
    const part = (tag, name) => make(tag, name);
    this.parts = {
      chips: part("div", "chips"), why: part("p", "why"), units: part("div", "units"), history: part("div", "history"),
      limits: part("div", "limits"), status: part("span", "status"), words: part("p", "words"), tray: part("div", "tray"), table: part("details", "table"),
    };
    const p = this.parts;
    p.units.setAttribute("role", "group");
    p.units.setAttribute("aria-label", text.unitLabel);
    p.chips.setAttribute("role", "group");
    p.chips.setAttribute("aria-label", text.startFrom);
    p.limits.setAttribute("aria-live", "polite");
    this.live = make("p", "hidden");
    this.live.setAttribute("aria-live", "polite");
    const bar = make("div", "bar");
    bar.append(p.chips, p.units);
    const left = make("div", "left");
    const title = make("div", "title");
    title.append(make("h3", "", text.yourMix), p.status);
    this.rows = store.tasks.map((_, t) => new TaskRow(store, t));
    this.strengths = new Strengths(store);
    left.append(title, ...this.rows.map((r) => r.element), p.limits, this.actions(text), p.history, this.strengths.element);
    const grid = make("div", "grid");
    grid.append(left, this.right(text, p));
    p.table.addEventListener("toggle", () => drawTable(p.table, store));
    this.root.replaceChildren(bar, p.why, grid, p.tray, p.table, this.live);
  }

  actions(text) {
    const actions = make("div", "actions");
    this.check = button("main", text.check, "", () => this.request("check"));
    this.use = button("second", text.use, "", () => this.request("use"));
    this.keep = button("second", text.keep, "", () => this.store.keep());
    actions.append(this.check, this.use, this.keep);
    return actions;
  }

  right(text, p) {
    const { store } = this;
    const right = make("div", "right");
    const axes = make("div", "axes");
    this.selects = ["x", "y"].map((axis) => {
      const label = make("label", "", text.axis[axis]);
      const select = make("select");
      store.tasks.forEach((task, t) => {
        const option = make("option", "", task.title);
        option.value = String(t);
        select.append(option);
      });
      select.addEventListener("change", () => store.act((s) => { s[axis] = Number(select.value); }, false));
      label.append(select);
      axes.append(label);
      return select;
    });
    axes.hidden = store.tasks.length < 3;
    const canvas = make("canvas", "map");
    canvas.setAttribute("role", "img");
    canvas.tabIndex = 0;
    this.map = new ScatterMap(canvas);
    this.pointer(canvas);
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    const box = make("div", "mapbox");
    box.append(canvas, this.tip);
    const legend = make("ul", "legend");
    ["pick", "predicted", "checked", "specialist", "base", "out"].forEach((name) => legend.append(make("li", name, text.legend[name])));
    right.append(axes, box, legend, p.words);
    if (store.tasks.length > 2) right.append(this.ladderBox(text));
    return right;
  }

  ladderBox(text) {
    const box = make("div", "ladderbox");
    const canvas = make("canvas", "ladders");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", text.laddersLabel);
    this.ladders = new Ladders(canvas);
    let dragging = null;
    const move = (event, first) => {
      const hit = this.ladders.under(event.offsetX, event.offsetY, dragging === null ? 26 : 1e6);
      if (!hit) return;
      if (dragging === null) dragging = hit.task;
      const level = this.ladders.under(this.ladders.last.axes[dragging].x, event.offsetY)?.level ?? null;
      this.store.setMinimum(dragging, level, first);
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") return;
      canvas.setPointerCapture(event.pointerId);
      move(event, true);
    });
    canvas.addEventListener("pointermove", (event) => { if (dragging !== null) move(event, false); });
    ["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, () => { dragging = null; this.tell(); }));
    box.append(make("p", "hint", text.laddersHint), canvas);
    return box;
  }

  pointer(canvas) {
    const { text } = this.store.data;
    canvas.addEventListener("pointermove", (event) => {
      const hit = this.map.under(event.offsetX, event.offsetY);
      if (hit === this.map.hover) return;
      this.map.hover = hit;
      this.tip.hidden = !hit;
      if (hit) {
        const lines = this.store.tasks.map((task, t) => `${task.title} ${fill("{v}", { v: (task.sign * hit.m[t] * task.scale).toFixed(1) })}${task.suffix}`);
        this.tip.textContent = [hit.title || text.kindShort[hit.kind], ...lines].join(" · ");
        const left = event.offsetX > canvas.clientWidth / 2;
        Object.assign(this.tip.style, { left: left ? "" : `${event.offsetX + 14}px`, right: left ? `${canvas.clientWidth - event.offsetX + 14}px` : "", top: `${event.offsetY + 14}px` });
      }
      this.schedule();
    });
    canvas.addEventListener("pointerleave", () => {
      this.map.hover = null;
      this.tip.hidden = true;
      this.schedule();
    });
    canvas.addEventListener("click", (event) => {
      const hit = this.map.under(event.offsetX, event.offsetY, 24);
      if (!hit) return;
      this.store.choose(hit);
      if (event.shiftKey) this.store.keep();
    });
  }

  /** Keys that work anywhere inside, except while typing or turning a slider. */
  key(event) {
    const { store } = this;
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z") (event.shiftKey ? store.redo() : store.undo());
    else if (command && event.key.toLowerCase() === "y") store.redo();
    else if (command || event.altKey) return;
    else if (event.key === "[" || event.key === "]") this.step(event.key === "]" ? 1 : -1);
    else if (event.key.toLowerCase() === "c") this.request("check");
    else if (event.key.toLowerCase() === "l" && this.focused() >= 0) store.toggleLock(this.focused());
    else return;
    event.preventDefault();
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
    if (pick) this.fire(name, { ...this.store.report(), stamp: Date.now() });
  }

  changed() {
    this.schedule();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.tell(), REST);
  }

  tell() {
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
    this.root.classList.toggle("dark", palette(this.root).dark);
    drawChips(p.chips, store);
    drawWhy(p.why, store);
    drawUnits(p.units, store);
    drawHistory(p.history, store);
    drawLimits(p.limits, store);
    drawStatus(p.status, store);
    drawWords(p.words, store);
    drawTray(p.tray, store);
    if (p.table.open) drawTable(p.table, store);
    else if (!p.table.firstChild) drawTable(p.table, store);
    this.rows.forEach((r) => r.draw());
    this.strengths.draw(store);
    this.selects.forEach((select, k) => { select.value = String(store.state[k ? "y" : "x"]); });
    const checked = store.state.pick?.kind === "checked";
    this.check.disabled = checked || Boolean(store.data.busy);
    this.check.textContent = checked ? store.data.text.checkedAlready : store.data.busy ? store.data.text.checking : store.data.text.check;
    this.check.className = checked ? "second" : "main";
    this.use.className = checked ? "main" : "second";
    this.keep.disabled = store.state.tray.length >= 4;
    this.map.draw(store);
    this.ladders?.draw(store);
    const sentence = `${p.limits.textContent} ${p.words.textContent}`;
    this.map.canvas.setAttribute("aria-label", `${store.data.text.mapLabel} ${sentence}`);
    clearTimeout(this.speak);
    this.speak = setTimeout(() => { this.live.textContent = p.words.textContent; }, SAY);
  }

  watch() {
    this.onKey = (event) => this.key(event);
    this.root.addEventListener("keydown", this.onKey);
    this.observer = new ResizeObserver(() => this.schedule());
    this.observer.observe(this.root);
  }

  stop() {
    this.observer.disconnect();
    this.root.removeEventListener("keydown", this.onKey);
    clearTimeout(this.rest);
    clearTimeout(this.speak);
  }
}

export default function explorer(component) {
  const home = component.parentElement;
  try {
    if (apps.has(home)) apps.get(home).update(component);
    else apps.set(home, new Explorer(component));
  } catch (error) {
    component.setStateValue("failure", String(error?.message ?? error));
    throw error;
  }
  return () => {
    apps.get(home)?.stop();
    apps.delete(home);
  };
}
