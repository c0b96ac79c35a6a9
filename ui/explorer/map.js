// The map: any two tasks against each other on a canvas. Reads the store, never changes it itself.
import { chance } from "./maths.js";
import { circle, diamond, hatch, mark, palette, prepare } from "./marks.js";
import { canKeep, fill, shown, ticks } from "./words.js";

const PAD = { left: 52, right: 16, top: 14, bottom: 44 };

export class ScatterMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.hover = null;
  }

  /** Pixel positions for the current axes and unit. */
  frame(store) {
    const { x, y, unit } = store.state;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const axis = (t, from, to) => {
      const values = [];
      for (let i = 0; i < store.cloud.n; i += 1) values.push(store.cloud.m[i * store.cloud.T + t]);
      store.checked.forEach((p) => values.push(p.m[t]));
      let low = Infinity;
      let high = -Infinity;
      values.forEach((v) => {
        const s = shown(v, store.tasks[t], unit);
        low = Math.min(low, s);
        high = Math.max(high, s);
      });
      const pad = 0.05 * (high - low) || 1;
      [low, high] = [low - pad, high + pad];
      const scale = (to - from) / (high - low);
      return { t, low, high, at: (v) => from + (shown(v, store.tasks[t], unit) - low) * scale, screen: (s) => from + (s - low) * scale };
    };
    return {
      width,
      height,
      X: axis(x, PAD.left, width - PAD.right),
      Y: axis(y, height - PAD.bottom, PAD.top),
    };
  }

  draw(store) {
    if (this.canvas.clientWidth < 40) return;
    const f = this.frame(store);
    const colours = palette(this.canvas);
    const context = prepare(this.canvas, f.width, f.height);
    this.last = { f, store };
    this.axes(context, f, store, colours);
    this.limits(context, f, store, colours);
    this.points(context, f, store, colours);
    this.pick(context, f, store, colours);
  }

  axes(context, f, store, colours) {
    const { unit } = store.state;
    context.font = `12px ${colours.font}`;
    context.lineWidth = 1;
    const label = (t) => {
      const task = store.tasks[t];
      return fill(store.data.text.axisUnit[canKeep(task) || unit !== "kept" ? unit : "score"], {
        task: task.title,
        unit: task.suffix.trim() || task.metric,
      });
    };
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
    context.fillText(`${label(f.X.t)} →`, (PAD.left + f.width - PAD.right) / 2, f.height - 8);
    context.save();
    context.translate(14, (PAD.top + f.height - PAD.bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(`${label(f.Y.t)} →`, 0, 0);
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
  limits(context, f, store, colours) {
    const left = PAD.left;
    const top = PAD.top;
    const right = f.width - PAD.right;
    const bottom = f.height - PAD.bottom;
    const { min } = store.state;
    const clampX = (v) => Math.min(right, Math.max(left, v));
    const clampY = (v) => Math.min(bottom, Math.max(top, v));
    const x = min[f.X.t] === null ? left : clampX(f.X.at(min[f.X.t]));
    const y = min[f.Y.t] === null ? bottom : clampY(f.Y.at(min[f.Y.t]));
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

  points(context, f, store, colours) {
    const { cloud, found, tasks } = store;
    const { min } = store.state;
    const { T, m, lo, hi } = cloud;
    const anyMinimum = min.some((level) => level !== null);
    if (store.data.predicted.length) {
      for (let pass = 0; pass < 2; pass += 1) {
        for (let i = 0; i < cloud.n; i += 1) {
          const out = found.broken[i] > 0;
          if (out !== (pass === 0)) continue;
          const x = f.X.at(m[i * T + f.X.t]);
          const y = f.Y.at(m[i * T + f.Y.t]);
          if (out) {
            context.globalAlpha = 0.35;
            context.fillStyle = colours.ghost;
            context.fillRect(x - 1.5, y - 1.5, 3, 3);
            continue;
          }
          let sure = 1;
          if (anyMinimum) for (let t = 0; t < T; t += 1) sure *= chance(m[i * T + t], lo[i * T + t], hi[i * T + t], min[t]);
          context.globalAlpha = sure >= 0.9 ? 0.95 : sure >= 0.5 ? 0.6 : 0.32;
          circle(context, x, y, cloud.n > 900 ? 3 : 3.8, colours.predicted, { width: 1.4 });
        }
      }
    }
    store.checked.forEach((p) => {
      const out = p.m.some((v, t) => min[t] !== null && v < min[t] - tasks[t].floor);
      context.globalAlpha = out ? 0.35 : 1;
      mark(context, f.X.at(p.m[f.X.t]), f.Y.at(p.m[f.Y.t]), p.role, colours);
    });
    context.globalAlpha = 1;
  }

  pick(context, f, store, colours) {
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
    if (this.hover) circle(context, f.X.at(this.hover.m[f.X.t]), f.Y.at(this.hover.m[f.Y.t]), 10, colours.pick, { width: 1.5, dash: [3, 3] });
    if (!pick) return;
    const x = f.X.at(pick.m[f.X.t]);
    const y = f.Y.at(pick.m[f.Y.t]);
    context.strokeStyle = colours.pick;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(f.X.at(pick.lo[f.X.t]), y);
    context.lineTo(f.X.at(pick.hi[f.X.t]), y);
    context.moveTo(x, f.Y.at(pick.lo[f.Y.t]));
    context.lineTo(x, f.Y.at(pick.hi[f.Y.t]));
    context.stroke();
    if (pick.kind === "checked") diamond(context, x, y, 8.5, colours.pick, colours.background);
    else circle(context, x, y, 8, colours.pick, { fill: colours.background, width: 3 });
  }

  /** The mix under the pointer: {pick}, or null. Checked marks win over predicted ones. */
  under(px, py, reach = 16) {
    if (!this.last) return null;
    const { f, store } = this.last;
    const { cloud } = store;
    let least = reach * reach;
    let hit = null;
    const test = (mx, my, make, favour) => {
      const far = ((f.X.at(mx) - px) ** 2 + (f.Y.at(my) - py) ** 2) * favour;
      if (far < least) [least, hit] = [far, make];
    };
    store.checked.forEach((p, j) => test(p.m[f.X.t], p.m[f.Y.t], () => store.byChecked(j), 0.5));
    if (store.data.predicted.length) {
      for (let i = 0; i < cloud.n; i += 1) {
        const favour = store.found.broken[i] ? 4 : 1;
        test(cloud.m[i * cloud.T + f.X.t], cloud.m[i * cloud.T + f.Y.t], () => store.byIndex(i), favour);
      }
    }
    return hit ? hit() : null;
  }
}
