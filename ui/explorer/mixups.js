// Which answers are confused, and which classes win or lose against the reference.
import { confusion, perClass } from "./samples.js";
import { make } from "./rows.js";
import { fill } from "./words.js";

const MATRIX = 24; // classes up to which the whole matrix is shown; above, the commonest mix-ups
const LISTED = 20;

export class Mixups {
  constructor(store) {
    this.store = store;
    this.element = make("div", "mixups");
    this.task = 0;
  }

  draw() {
    const { store } = this;
    const { text } = store.data;
    const { pick } = store.state;
    const tasks = store.samples?.tasks ?? [];
    if (!tasks[this.task]) this.task = Math.max(0, tasks.findIndex(Boolean));
    const task = tasks[this.task];
    if (!task || !pick) {
      this.element.replaceChildren(make("p", "hint", store.packed?.problem || (store.samples ? text.noSingle : text.samplesComing)));
      return;
    }
    const { said, measured } = store.samples.of(pick, this.task);
    const reference = store.reference;
    const other = (reference && store.samples.of(reference, this.task)?.said) || said;
    const key = `${this.task} ${reference?.label} ${said.join()} ${store.revision}`;
    if (this.key === key) return;
    this.key = key;
    const focused = this.element.contains(this.element.getRootNode().activeElement);
    const side = make("div", "perclass");
    side.append(make("h4", "", fill(text.perClass, { other: reference?.title ?? "" })), this.classes(task, perClass(task, said, other), text));
    const left = make("div", "matrix");
    left.append(make("h4", "", fill(measured ? text.confusionSure : text.confusion, { task: store.tasks[this.task].title })), this.matrix(task, confusion(task, said), text));
    const both = make("div", "two");
    both.append(left, side);
    const bar = this.chooser(text);
    this.element.replaceChildren(bar, both, ...(task.complete ? [] : [make("p", "hint", text.notComplete)]));
    if (focused) bar.querySelector("select").focus();
  }

  chooser(text) {
    const { store } = this;
    const label = make("label", "", text.task);
    const select = make("select");
    store.tasks.forEach((task, t) => {
      if (!store.samples.tasks[t]) return;
      const option = make("option", "", task.title);
      option.value = String(t);
      select.append(option);
    });
    select.value = String(this.task);
    select.addEventListener("change", () => { this.task = Number(select.value); store.see({}); });
    label.append(select);
    const axes = make("div", "axes");
    axes.append(label);
    return axes;
  }

  matrix(task, counts, text) {
    if (task.classes.length > MATRIX) return this.commonest(task, counts, text);
    const table = make("table", "confusion");
    const head = make("tr");
    head.append(make("th", "corner", text.trueSaid), ...task.classes.map((name) => heading(name)));
    table.append(head);
    counts.forEach((row, i) => {
      const sum = row.reduce((a, v) => a + v, 0) || 1;
      const line = make("tr");
      line.append(make("th", "", task.classes[i]));
      row.forEach((n, j) => {
        const cell = make("td", i === j ? "hit" : n ? "miss" : "", n ? String(n) : "");
        cell.style.setProperty("--share", `${Math.round((100 * n) / sum)}%`);
        cell.title = fill(text.cell, { n, truth: task.classes[i], said: task.classes[j] });
        line.append(cell);
      });
      table.append(line);
    });
    const box = make("div", "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", text.matrixLabel);
    box.append(table);
    return box;
  }

  commonest(task, counts, text) {
    const found = counts.flatMap((row, i) => row.map((n, j) => ({ n, i, j }))).filter((one) => one.i !== one.j && one.n);
    const list = make("ol", "commonest");
    found.sort((a, b) => b.n - a.n).slice(0, LISTED).forEach(({ n, i, j }) => list.append(make("li", "", fill(text.cell, { n, truth: task.classes[i], said: task.classes[j] }))));
    return list;
  }

  /** One line per class: how many are right, and a bar to the right for won, to the left for lost. */
  classes(task, rows, text) {
    const most = Math.max(1, ...rows.map((r) => Math.abs(r.change)));
    const list = make("ul", "changes");
    const order = rows.filter((r) => r.n).sort((a, b) => b.change - a.change);
    const shown = order.length > 2 * LISTED ? [...order.slice(0, LISTED), ...order.slice(-LISTED)] : order;
    shown.forEach((r) => {
      const line = make("li");
      const bar = make("span", r.change > 0 ? "bar won" : r.change < 0 ? "bar lost" : "bar");
      bar.style.setProperty("--share", `${(50 * Math.abs(r.change)) / most}%`);
      const change = r.change > 0 ? `+${r.change}` : r.change < 0 ? `−${-r.change}` : "0";
      line.append(make("span", "name", r.name), make("span", "share", fill(text.rightOf, { right: r.right, n: r.n })), bar, make("b", "", change));
      list.append(line);
    });
    return list;
  }
}

function heading(name) {
  const cell = make("th", "up");
  cell.append(make("span", "", name));
  return cell;
}
