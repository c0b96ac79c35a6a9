// The right-hand side: three ways to see the mixes on one canvas, what the marks mean, the sentence, and the ladders.
import { compareFronts } from "./fronts.js";
import { Ladders } from "./ladders.js";
import { screen, sizeOf } from "./marks.js";
import { ScatterMap, stairsOf } from "./map.js";
import { Pairs, Proportions } from "./pairs.js";
import { button, make } from "./rows.js";
import { saveMenu } from "./save.js";
import { describeMethods, fill } from "./words.js";

export class Stage {
  constructor(store, app) {
    this.store = store;
    this.app = app;
    this.views = { map: new ScatterMap(), pairs: new Pairs(), proportions: new Proportions() };
    this.element = make("div", "right");
    this.words = make("p", "words");
    this.methods = make("p", "methods");
    this.legend = make("ul", "legend");
    const top = make("div", "stagebar");
    top.append(this.makeViews(), this.makeAxes());
    this.element.append(top, this.makeCanvas(), this.legend, this.makeTools(), this.methods, this.words);
    if (store.tasks.length > 2) this.element.append(this.makeLadders());
    this.makeLegend();
  }

  get view() {
    return this.views[this.store.look.view] ?? this.views.map;
  }

  makeViews() {
    const { store } = this;
    const { text } = store.data;
    const names = ["map", ...(store.tasks.length > 2 ? ["pairs"] : []), ...(store.experts.length === 3 ? ["proportions"] : [])];
    this.switches = make("div", "units views");
    this.switches.setAttribute("role", "group");
    this.switches.setAttribute("aria-label", text.viewLabel);
    names.forEach((name) => {
      const one = button("unit", text.views[name], "", () => store.see({ view: name }));
      one.dataset.view = name;
      one.title = text.viewHelp[name];
      this.switches.append(one);
    });
    this.switches.hidden = names.length < 2;
    return this.switches;
  }

  makeAxes() {
    const { store } = this;
    const { text } = store.data;
    this.axes = make("div", "axes");
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
      this.axes.append(label);
      return select;
    });
    return this.axes;
  }

  makeCanvas() {
    this.canvas = make("canvas", "map");
    this.canvas.setAttribute("role", "img");
    this.canvas.tabIndex = 0;
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    this.note = make("p", "note");
    const box = make("div", "mapbox");
    box.append(this.canvas, this.tip, this.note);
    this.pointer(this.canvas);
    return box;
  }

  makeTools() {
    const { store } = this;
    const { text } = store.data;
    const tools = make("div", "tools");
    this.wobble = button("quiet", text.wobble, "", () => this.app.wobble());
    this.wobble.title = text.wobbleHelp;
    this.wobble.hidden = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const name = () => text.views[store.look.view];
    tools.append(this.wobble, saveMenu(store, text.saveMap, () => ({ view: this.view, canvas: this.canvas, name: name() })));
    return tools;
  }

  makeLegend() {
    const { store } = this;
    const { text } = store.data;
    const roles = new Set(store.checked.map((p) => p.role));
    const names = ["pick", "predicted", "checked", ...["specialist", "base", "average", "arithmetic"].filter((r) => roles.has(r)), "range", "outcomes", "out"];
    names.forEach((name) => {
      const item = make("li", name, text.legend[name]);
      item.title = text.legendHelp[name] ?? "";
      this.legend.append(item);
    });
    store.others.forEach((other, index) => {
      const item = make("li", `other other${index % 3}`);
      const toggle = button("quiet", fill(text.otherMethod, { method: other.title }), "", () => {
        const hidden = new Set(store.look.hidden);
        if (!hidden.delete(other.name)) hidden.add(other.name);
        store.see({ hidden });
      });
      toggle.dataset.method = other.name;
      item.append(toggle);
      this.legend.append(item);
    });
  }

  makeLadders() {
    const { text } = this.store.data;
    const box = make("div", "ladderbox");
    const canvas = make("canvas", "ladders");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", text.laddersLabel);
    this.ladders = new Ladders();
    this.ladderCanvas = canvas;
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
    ["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, () => { dragging = null; this.app.tell(); }));
    const head = make("div", "tools");
    head.append(make("p", "hint", text.laddersHint), saveMenu(this.store, text.saveLadders, () => ({ view: this.ladders, canvas, name: text.laddersName })));
    box.append(head, canvas);
    return box;
  }

  pointer(canvas) {
    canvas.addEventListener("pointermove", (event) => {
      const hit = this.view.under(event.offsetX, event.offsetY);
      if (hit === this.view.hover) return;
      this.hover(hit);
      this.tip.hidden = !hit;
      if (hit) this.describe(hit, event);
      this.app.schedule();
    });
    canvas.addEventListener("pointerleave", () => {
      this.hover(null);
      this.tip.hidden = true;
      this.app.schedule();
    });
    canvas.addEventListener("click", (event) => {
      const hit = this.view.under(event.offsetX, event.offsetY, 24);
      if (hit?.kind === "other") this.app.turnTo(this.store.others[hit.other].name, hit.c);
      else if (hit && hit.kind !== "line") {
        this.store.choose(hit);
        if (event.shiftKey) this.store.keep();
      }
    });
    canvas.addEventListener("dblclick", (event) => {
      const cell = this.view.cellAt?.(event.offsetX, event.offsetY);
      if (cell) this.store.act((s) => Object.assign(s, { x: cell.x, y: cell.y }), false);
      if (cell) this.store.see({ view: "map" });
    });
  }

  /** One mix under the pointer, the same in every view. */
  hover(hit) {
    [...Object.values(this.views), ...(this.ladders ? [this.ladders] : [])].forEach((view) => { view.hover = hit; });
  }

  describe(hit, event) {
    const { canvas, store } = this;
    const { text } = store.data;
    const kind = text.kindShort[hit.was ?? hit.kind] ?? text.kindShort.checked;
    const lines = store.tasks.map((task, t) => `${task.title} ${(task.sign * hit.m[t] * task.scale).toFixed(task.scale === 1 ? 3 : 1)}${task.suffix}`);
    const parts = [hit.title || kind, ...(hit.kind === "other" ? [kind] : []), ...lines, ...(hit.kind === "other" ? [text.turnHint] : [])];
    this.tip.textContent = parts.join(" · ");
    const left = event.offsetX > canvas.clientWidth / 2;
    Object.assign(this.tip.style, { left: left ? "" : `${event.offsetX + 14}px`, right: left ? `${canvas.clientWidth - event.offsetX + 14}px` : "", top: `${event.offsetY + 14}px` });
  }

  draw(colours) {
    const { store } = this;
    const { look, data } = store;
    const { text } = data;
    [...this.switches.children].forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.view === look.view)));
    this.axes.hidden = store.tasks.length < 3 || look.view !== "map";
    this.selects.forEach((select, k) => { select.value = String(store.state[k ? "y" : "x"]); });
    this.legend.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(!look.hidden.has(one.dataset.method))));
    this.note.textContent = look.view === "map" ? "" : text.viewNote[look.view];
    if (sizeOf(this.canvas)[0] > 40) this.view.draw(store, screen(this.canvas, colours));
    if (this.ladders && sizeOf(this.ladderCanvas)[0] > 40) this.ladders.draw(store, screen(this.ladderCanvas, colours));
    this.methods.textContent = look.view === "map" ? this.methodWords() : "";
    this.methods.hidden = !this.methods.textContent;
  }

  /** Which way of blending reaches more where, on the two tasks of the map. */
  methodWords() {
    const { store } = this;
    const { x, y, unit } = store.state;
    const key = `${store.revision} ${x} ${y} ${unit} ${[...store.look.hidden]}`;
    if (this.said?.key !== key) this.said = { key, words: this.compareMethods(x, y, unit) };
    return this.said.words;
  }

  compareMethods(x, y, unit) {
    const { store } = this;
    if (!store.predicted) return "";
    const mine = stairsOf(store, store.cloud, "", x, y);
    const [X, Y] = [store.tasks[x], store.tasks[y]];
    return store.others
      .filter((other) => other.cloud.n && !store.look.hidden.has(other.name))
      .map((other) => {
        const pieces = compareFronts(mine, stairsOf(store, other.cloud, other.name, x, y), Y.floor);
        return describeMethods(pieces, store.data.method.title, other.title, X.title, Y.title, X, store.data.text, unit);
      })
      .join(" ");
  }
}
