// Every plot as a file: PNG, SVG, or a page with the plot, what it shows in words, and its numbers. Made in the browser.
import { palette } from "./marks.js";
import { button, make } from "./rows.js";
import { paper } from "./svg.js";

const KINDS = ["PNG", "SVG", "HTML"];

/** A menu that asks `what` for {view, canvas, name} when a kind is pressed. */
export function saveMenu(store, label, what) {
  const menu = make("details", "save");
  const summary = make("summary", "", store.data.text.save);
  summary.setAttribute("aria-label", label);
  menu.append(summary);
  KINDS.forEach((kind) => menu.append(button("quiet", kind, `${label}: ${kind}`, async () => {
    const { view, canvas, name } = what();
    const file = `${store.data.study}-${name}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    download(await blobOf(kind, store, view, canvas, name), `${file}.${kind.toLowerCase()}`);
    menu.open = false;
    summary.focus();
  })));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    summary.focus();
    event.stopPropagation();
  });
  return menu;
}

async function blobOf(kind, store, view, canvas, name) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const colours = palette(canvas);
  if (kind === "PNG") return pictureOf(canvas, colours.background);
  const { surface, text } = paper(width, height, colours);
  view.draw(store, surface);
  const svg = text(name);
  if (kind === "SVG") return new Blob([svg], { type: "image/svg+xml" });
  return new Blob([pageOf(store, svg, name)], { type: "text/html" });
}

function pictureOf(canvas, background) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.fillStyle = background;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  return new Promise((done) => { copy.toBlob(done, "image/png"); });
}

/** A page of its own; every text goes in as text, so that no name can become markup. */
function pageOf(store, svg, name) {
  const page = document.implementation.createHTMLDocument(name);
  const meta = page.createElement("meta");
  meta.setAttribute("charset", "utf-8");
  page.head.prepend(meta);
  const style = page.createElement("style");
  style.textContent = "body{font-family:sans-serif;max-width:60rem;margin:2rem auto}svg{max-width:100%;height:auto}td,th{padding:.2rem .8rem .2rem 0;text-align:left}";
  page.head.append(style);
  const add = (tag, text, home = page.body) => {
    const one = page.createElement(tag);
    if (text !== undefined) one.textContent = text;
    home.append(one);
    return one;
  };
  add("h1", name);
  const drawing = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  page.body.append(page.importNode(drawing, true));
  add("p", store.said ?? "");
  const table = add("table");
  const head = add("tr", undefined, table);
  const { text } = store.data;
  ["", ...store.tasks.map((t) => t.title), ...store.experts.map((e) => e.title)].forEach((title) => add("th", title, head));
  const line = (title, mix) => {
    const tr = add("tr", undefined, table);
    add("th", title, tr);
    store.tasks.forEach((task, t) => add("td", (task.sign * mix.m[t]).toFixed(4), tr));
    store.experts.forEach((_, k) => add("td", mix.c[k]?.toFixed(4) ?? "", tr));
  };
  if (store.state.pick) line(text.yourMix, store.state.pick);
  store.checked.forEach((mix) => line(mix.title || text.kindShort.checked, mix));
  for (let i = 0; i < Math.min(store.predicted ? store.cloud.n : 0, 1000); i += 1) line(text.kindShort.predicted, store.byIndex(i));
  return `<!doctype html>\n${new XMLSerializer().serializeToString(page.documentElement)}`;
}

function download(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
