// Ladders (parallel coordinates): one upright axis per task; every mix is a line. Dragging on an axis sets its minimum.
import { circle, DASHES, diamond, haloed, hatch, mark } from "./marks.js";
import { number, shown, stored } from "./words.js";

const EDGE = { side: 54, top: 34, bottom: 22 };
const MOST = 600;

export class Ladders {
  frame({ width, height }, store) {
    const T = store.tasks.length;
    const { unit } = store.state;
    const axes = store.tasks.map((task, t) => {
      let low = store.range.low[t];
      let high = store.range.high[t];
      store.checked.forEach((p) => {
        low = Math.min(low, p.m[t]);
        high = Math.max(high, p.m[t]);
      });
      const ends = [shown(low, task, unit), shown(high, task, unit)];
      const span = ends[1] - ends[0] || 1;
      const from = height - EDGE.bottom;
      const to = EDGE.top;
      const [zero, one] = [shown(0, task, unit), shown(1, task, unit)];
      const [start, slope] = [from + ((zero - ends[0]) / span) * (to - from), ((one - zero) / span) * (to - from)];
      return {
        x: EDGE.side + (t * (width - 2 * EDGE.side)) / Math.max(1, T - 1),
        low,
        high,
        at: (v) => start + v * slope,
        value: (y) => stored(ends[0] + ((y - from) / (to - from)) * span, task, unit),
      };
    });
    return { width, height, axes };
  }

  draw(store, surface) {
    const f = this.frame(surface, store);
    if (surface.ratio) this.last = f;
    const { context, colours } = surface;
    const { cloud, found } = store;
    const stride = Math.max(1, Math.ceil(cloud.n / MOST));
    for (let pass = 0; pass < 2; pass += 1) {
      context.strokeStyle = pass ? colours.predicted : colours.ghost;
      context.globalAlpha = pass ? Math.max(0.1, Math.min(0.5, 40 / Math.max(1, found.alive / stride))) : 0.08;
      context.lineWidth = 1;
      context.beginPath();
      for (let i = 0; i < cloud.n; i += stride) {
        if ((found.broken[i] === 0) !== (pass === 1)) continue;
        for (let t = 0; t < f.axes.length; t += 1) {
          const { x, at } = f.axes[t];
          const y = at(cloud.m[i * cloud.T + t]);
          if (t) context.lineTo(x, y);
          else context.moveTo(x, y);
        }
      }
      context.stroke();
    }
    context.globalAlpha = 1;
    this.axes(context, f, store, colours);
    this.fixed(context, f, store, colours);
    this.pick(context, f, store, colours);
  }

  /** The fixed mixes beside every axis, as on the map. */
  fixed(context, f, store, colours) {
    store.lines.forEach((p) => f.axes.forEach((axis, t) => mark(context, axis.x - 12, axis.at(p.m[t]), p.role, colours, 4.5)));
  }

  axes(context, f, store, colours) {
    const { min, unit } = store.state;
    f.axes.forEach((axis, t) => {
      const task = store.tasks[t];
      const bottom = f.height - EDGE.bottom;
      const level = min[t] === null ? bottom : Math.min(bottom, Math.max(EDGE.top, axis.at(min[t])));
      hatch(context, axis.x - 7, level, 14, bottom - level, colours.text);
      context.strokeStyle = colours.text;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(axis.x, EDGE.top);
      context.lineTo(axis.x, bottom);
      context.stroke();
      context.fillStyle = colours.text;
      context.textAlign = "center";
      context.font = `600 13px ${colours.font}`;
      context.fillText(task.title, axis.x, 14, (f.width / f.axes.length) * 0.98);
      context.font = `12px ${colours.font}`;
      context.fillText(number(axis.high, task, unit), axis.x, EDGE.top - 5);
      context.fillText(number(axis.low, task, unit), axis.x, bottom + 15);
      if (min[t] !== null) {
        context.lineWidth = 4;
        context.beginPath();
        context.moveTo(axis.x - 10, level);
        context.lineTo(axis.x + 10, level);
        context.stroke();
      }
    });
  }

  pick(context, f, store, colours) {
    const { pick, tray, unit } = store.state;
    const line = (values, colour, width, dash) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.beginPath();
      f.axes.forEach((axis, t) => (t ? context.lineTo(axis.x, axis.at(values[t])) : context.moveTo(axis.x, axis.at(values[t]))));
      context.stroke();
      context.setLineDash([]);
    };
    tray.forEach((p, k) => {
      line(p.m, colours.text, 1.25, DASHES[k % 3]);
      context.font = `700 12px ${colours.font}`;
      context.textAlign = "right";
      haloed(context, "ABCD"[k], f.axes[0].x - 22, f.axes[0].at(p.m[0]) + 4, colours.text, colours);
    });
    if (this.hover) line(this.hover.m, colours.pick, 1.5, [4, 3]);
    if (!pick) return;
    if (store.look.draw) line(store.look.draw, colours.pick, 1.25, [2, 3]);
    line(pick.m, colours.pick, 3, []);
    f.axes.forEach((axis, t) => {
      context.strokeStyle = colours.pick;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(axis.x, axis.at(pick.lo[t]));
      context.lineTo(axis.x, axis.at(pick.hi[t]));
      context.stroke();
      const y = axis.at(pick.m[t]);
      if (pick.kind === "checked") diamond(context, axis.x, y, 7, colours.pick, colours.background);
      else circle(context, axis.x, y, 6, colours.pick, { fill: colours.background, width: 2.5 });
      context.font = `700 13px ${colours.font}`;
      const right = t < f.axes.length - 1;
      context.textAlign = right ? "left" : "right";
      haloed(context, number(pick.m[t], store.tasks[t], unit), axis.x + (right ? 13 : -22), y + 4, colours.pick, colours);
    });
  }

  /** {task, level} for a pointer near an axis; level null near its foot ("no minimum"). */
  under(px, py, reach = 26) {
    if (!this.last) return null;
    const t = this.last.axes.findIndex((axis) => Math.abs(axis.x - px) <= reach);
    if (t < 0) return null;
    const axis = this.last.axes[t];
    const level = axis.value(py);
    return { task: t, level: level <= axis.low + 0.01 * (axis.high - axis.low) ? null : Math.min(level, axis.high) };
  }
}
