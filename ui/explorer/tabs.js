// The lower part: pictures, mix-ups, comparison, table. Only the open one is drawn.
import { Compare } from "./compare.js";
import { Gallery } from "./gallery.js";
import { Mixups } from "./mixups.js";
import { drawTable } from "./panel.js";
import { make } from "./rows.js";

class Table {
  constructor(store) {
    this.store = store;
    this.element = make("div", "table");
  }

  draw() { drawTable(this.element, this.store); }
}

export class Tabs {
  constructor(store) {
    this.store = store;
    const { text } = store.data;
    this.parts = { pictures: new Gallery(store), mixups: new Mixups(store), compare: new Compare(store), table: new Table(store) };
    this.element = make("section", "lower");
    this.list = make("div", "tabs");
    this.list.setAttribute("role", "tablist");
    this.list.setAttribute("aria-label", text.tabsLabel);
    this.tabs = Object.keys(this.parts).map((name) => this.makeTab(name, text));
    this.element.append(this.list, ...this.tabs.map((t) => t.panel));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  makeTab(name, text) {
    const tab = make("button", "tab", text.tabs[name]);
    tab.type = "button";
    tab.id = `mx-tab-${name}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `mx-panel-${name}`);
    tab.addEventListener("click", () => this.store.see({ tab: name }));
    const panel = make("div", "panel");
    panel.id = `mx-panel-${name}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.append(this.parts[name].element);
    this.list.append(tab);
    return { name, tab, panel };
  }

  get open() {
    return this.store.look.tab ?? "pictures";
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = this.tabs.findIndex((t) => t.name === this.open);
    const next = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.store.see({ tab: next.name });
    next.tab.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  draw(colours) {
    const { text } = this.store.data;
    const kept = this.store.state.tray.length;
    this.tabs.forEach(({ name, tab, panel }) => {
      const here = name === this.open;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      panel.hidden = !here;
      const title = name === "compare" && kept ? `${text.tabs.compare} (${kept})` : text.tabs[name];
      if (tab.textContent !== title) tab.textContent = title;
    });
    this.parts[this.open].draw(colours);
  }
}
