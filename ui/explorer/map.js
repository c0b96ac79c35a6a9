// The map: any two tasks against each other. Reads the store, never changes it itself.
import { staircase } from "./fronts.js";
import { circle, DASHES, hatch } from "./marks.js";
import { axisOf, drawChecked, drawCloud, drawOthers, drawPick, nearestMark } from "./plane.js";
import { canKeep, fill, ticks } from "./words.js";

const PAD = { left: 52, right: 16, top: 14, bottom: 44 };

/** A task's axis title in the unit on the screen. */
export function axisTitle(store, t) {
  const task = store.tasks[t];
  const { unit } = store.state;
  return fill(store.data.text.axisUnit[canKeep(task) || unit !== "kept" ? unit : "score"], {
    task: task.title,
    unit: task.suffix.trim() || task.metric,
  });
}

/** The stairs of a cloud on two tasks, remembered per revision. */
export function stairsOf(store, cloud, name, x, y) {
  const key = `${store.revision} ${name} ${x} ${y}`;
  store.stairs ??= new Map();
  if (store.stairs.size > 200) store.stairs.clear();
  if (!store.stairs.has(key)) store.stairs.set(key, staircase(cloud, x, y));
  return store.stairs.get(key);
}

export class ScatterMap {
  constructor() {
    this.hover = null;
  }

  frame(surface, store) {
    const { width, height } = surface;
    const { x, y } = store.state;
    return { width, height, X: axisOf(store, x, PAD.left, width - PAD.right), Y: axisOf(store, y, height - PAD.bottom, PAD.top) };
  }

  draw(store, surface) {
    const f = this.frame(surface, store);
    const { context } = surface;
    if (surface.ratio) this.last = { f, store };
    this.axes(surface, f, store);
    this.limits(surface, f, store);
    this.band(surface, f, store);
    drawCloud(surface, f.X, f.Y, store, { radius: store.cloud.n > 900 ? 3 : 3.8 });
    drawOthers(surface, f.X, f.Y, store);
    this.fronts(surface, f, store);
    drawChecked(surface, f.X, f.Y, store);
    this.chosen(surface, f, store);
    context.globalAlpha = 1;
  }

  axes({ context, colours }, f, store) {
    context.font = `12px ${colours.font}`;
    context.lineWidth = 1;
    context.textAlign = "center";
    ticks(f.X.low, f.X.high, Math.max(3, f.width / 90)).forEach((v) => {
      const x = f.X.screen(v);
      this.rule(context, colours, x, PAD.top, x, f.height - PAD.bottom);
      context.fillText(String(Number(v.toFixed(3))), x, f.height - PAD.bottom + 16);
    });
    context.textAlign = "right";
    ticks(f.Y.low, f.Y.high, Math.max(3, f.height / 60)).forEach((v) => {
      const y = f.Y.screen(v);
      this.rule(context, colours, PAD.left, y, f.width - PAD.right, y);
      context.fillText(String(Number(v.toFixed(3))), PAD.left - 7, y + 4);
    });
    context.font = `600 13px ${colours.font}`;
    context.textAlign = "center";
    context.fillText(`${axisTitle(store, f.X.t)} →`, (PAD.left + f.width - PAD.right) / 2, f.height - 8);
    context.save();
    context.translate(14, (PAD.top + f.height - PAD.bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(`${axisTitle(store, f.Y.t)} →`, 0, 0);
    context.restore();
  }

  rule(context, colours, x0, y0, x1, y1) {
    context.globalAlpha = 0.55;
    context.strokeStyle = colours.line;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colours.text;
  }

  /** Hatched where the minimums of the two visible tasks rule everything out. */
  limits({ context, colours }, f, store) {
    const left = PAD.left;
    const top = PAD.top;
    const right = f.width - PAD.right;
    const bottom = f.height - PAD.bottom;
    const { min } = store.state;
    const x = min[f.X.t] === null ? left : Math.min(right, Math.max(left, f.X.at(min[f.X.t])));
    const y = min[f.Y.t] === null ? bottom : Math.min(bottom, Math.max(top, f.Y.at(min[f.Y.t])));
    hatch(context, left, top, x - left, bottom - top, colours.text);
    hatch(context, x, y, right - x, bottom - y, colours.text);
    context.strokeStyle = colours.text;
    context.lineWidth = 1.25;
    context.setLineDash([5, 4]);
    context.beginPath();
    if (x > left) {
      context.moveTo(x, top);
      context.lineTo(x, bottom);
    }
    if (y < bottom) {
      context.moveTo(left, y);
      context.lineTo(right, y);
    }
    context.stroke();
    context.setLineDash([]);
  }

  /** The likely range along the edge of the map: between its lower and its upper ends. */
  band({ context, colours }, f, store) {
    if (!store.predicted) return;
    const { T, lo, hi } = store.cloud;
    const edge = stairsOf(store, store.cloud, "", f.X.t, f.Y.t);
    if (edge.length < 3) return;
    const corner = (ends, i) => [f.X.at(ends[i * T + f.X.t]), f.Y.at(ends[i * T + f.Y.t])];
    const outline = [...edge.map(([, , i]) => corner(hi, i)), ...edge.map(([, , i]) => corner(lo, i)).reverse()];
    context.save();
    context.beginPath();
    context.rect(PAD.left, PAD.top, f.width - PAD.left - PAD.right, f.height - PAD.top - PAD.bottom);
    context.clip(); // rough predictions reach far beyond the scores that occur
    context.fillStyle = colours.ghost;
    context.globalAlpha = 0.3;
    context.beginPath();
    outline.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fill();
    context.restore();
  }

  /** The edge of every way of blending on these two tasks; own = unbroken, others = each its own dashes. */
  fronts({ context, colours }, f, store) {
    const line = (steps, colour, dash) => {
      context.strokeStyle = colour;
      context.lineWidth = 1.75;
      context.setLineDash(dash);
      context.beginPath();
      steps.forEach(([x, y], k) => (k ? context.lineTo(f.X.at(x), f.Y.at(y)) : context.moveTo(f.X.at(x), f.Y.at(y))));
      context.stroke();
      context.setLineDash([]);
    };
    if (store.predicted && store.others.length) line(stairsOf(store, store.cloud, "", f.X.t, f.Y.t), colours.predicted, []);
    store.others.forEach((other, index) => {
      if (store.look.hidden.has(other.name) || !other.cloud.n) return;
      line(stairsOf(store, other.cloud, other.name, f.X.t, f.Y.t), colours.others[index % 3], DASHES[index % 3]);
    });
  }

  chosen(surface, f, store) {
    const { context, colours } = surface;
    const { pick, tray } = store.state;
    context.font = `700 12px ${colours.font}`;
    context.textAlign = "left";
    tray.forEach((p, k) => {
      const x = f.X.at(p.m[f.X.t]);
      const y = f.Y.at(p.m[f.Y.t]);
      circle(context, x, y, 8, colours.text, { width: 1.25 });
      context.fillStyle = colours.text;
      context.fillText("ABCD"[k], x + 10, y - 8);
    });
    if (this.hover && surface.ratio) circle(context, f.X.at(this.hover.m[f.X.t]), f.Y.at(this.hover.m[f.Y.t]), 10, colours.pick, { width: 1.5, dash: [3, 3] });
    if (!pick) return;
    if (store.look.draw) drawPick(surface, f.X, f.Y, { ...pick, kind: "predicted", m: store.look.draw, lo: store.look.draw, hi: store.look.draw }, 5);
    drawPick(surface, f.X, f.Y, pick);
  }

  /** The mix under the pointer, or null. */
  under(px, py, reach = 16) {
    if (!this.last) return null;
    const { f, store } = this.last;
    return nearestMark(store, f.X, f.Y, px, py, reach).make?.() ?? null;
  }
}
