// Small maps of the pairs of tasks that pull apart most (at most six), and the proportions of three specialists.
import { conflicts } from "./fronts.js";
import { circle, circles, diamond, mark } from "./marks.js";
import { axisOf, drawChecked, drawCloud, drawOthers, drawPick, nearestMark } from "./plane.js";
import { fill } from "./words.js";

const SMALL = 700;

export class Pairs {
  constructor() {
    this.hover = null;
  }

  cells(surface, store) {
    const key = store.revision;
    if (this.key !== key) Object.assign(this, { key, pairs: conflicts(store.cloud) });
    const across = Math.min(this.pairs.length, surface.width < 560 ? 2 : 3);
    const down = Math.ceil(this.pairs.length / across);
    const [w, h] = [surface.width / across, surface.height / down];
    return this.pairs.map((pair, k) => {
      const left = (k % across) * w;
      const top = Math.floor(k / across) * h;
      return { ...pair, left, top, w, h, X: axisOf(store, pair.x, left + 24, left + w - 8), Y: axisOf(store, pair.y, top + h - 24, top + 8) };
    });
  }

  draw(store, surface) {
    const cells = this.cells(surface, store);
    if (surface.ratio) this.last = { cells, store };
    const { context, colours } = surface;
    cells.forEach((cell) => {
      const current = cell.x === store.state.x && cell.y === store.state.y;
      context.strokeStyle = current ? colours.pick : colours.line;
      context.lineWidth = current ? 2 : 1;
      context.beginPath();
      context.rect(cell.left + 20, cell.top + 4, cell.w - 24, cell.h - 24);
      context.stroke();
      context.fillStyle = colours.text;
      context.font = `600 12px ${colours.font}`;
      context.textAlign = "center";
      context.fillText(`${store.tasks[cell.x].title} →`, cell.left + cell.w / 2 + 8, cell.top + cell.h - 6);
      context.save();
      context.translate(cell.left + 13, cell.top + cell.h / 2 - 8);
      context.rotate(-Math.PI / 2);
      context.fillText(`${store.tasks[cell.y].title} →`, 0, 0);
      context.restore();
      drawCloud(surface, cell.X, cell.Y, store, { radius: 2, most: SMALL });
      drawOthers(surface, cell.X, cell.Y, store, 80);
      drawChecked(surface, cell.X, cell.Y, store, 4.5);
      if (this.hover && surface.ratio) circle(context, cell.X.at(this.hover.m[cell.x]), cell.Y.at(this.hover.m[cell.y]), 7, colours.pick, { dash: [3, 3] });
      if (store.state.pick) drawPick(surface, cell.X, cell.Y, store.state.pick, 5.5);
    });
  }

  cellAt(px, py) {
    return this.last?.cells.find((c) => px >= c.left && px < c.left + c.w && py >= c.top && py < c.top + c.h) ?? null;
  }

  under(px, py, reach = 12) {
    const cell = this.cellAt(px, py);
    return cell ? (nearestMark(this.last.store, cell.X, cell.Y, px, py, reach).make?.() ?? null) : null;
  }
}

/** A triangle whose corners are the three specialists; a mark's size is the sum of its strengths. */
export class Proportions {
  constructor() {
    this.hover = null;
  }

  frame({ width, height }) {
    const side = Math.min(width - 150, (height - 62) * 1.1547);
    const [left, bottom] = [(width - side) / 2, height - 34];
    const corners = [[left, bottom], [left + side, bottom], [left + side / 2, bottom - side * 0.866]];
    const at = (c) => {
      const sum = c.reduce((a, v) => a + Math.max(0, v), 0);
      if (!(sum > 1e-6)) return null;
      return [0, 1].map((axis) => c.reduce((a, v, k) => a + (Math.max(0, v) / sum) * corners[k][axis], 0));
    };
    return { corners, at };
  }

  draw(store, surface) {
    const { context, colours } = surface;
    const f = this.frame(surface);
    if (surface.ratio) this.last = { f, store };
    this.outline(surface, f, store);
    const size = (c) => 1.6 + 2.2 * Math.min(2, c.reduce((a, v) => a + v, 0) / 1.5);
    const layers = new Map();
    context.fillStyle = colours.ghost;
    this.each(store, (c, i) => {
      const spot = f.at(c);
      if (!spot) return;
      if (store.found.broken[i]) {
        context.globalAlpha = 0.35;
        context.fillRect(spot[0] - 1.5, spot[1] - 1.5, 3, 3);
      } else {
        const r = Math.round(size(c) * 2) / 2;
        if (!layers.has(r)) layers.set(r, []);
        layers.get(r).push(spot);
      }
    });
    context.globalAlpha = 0.85;
    layers.forEach((points, r) => circles(surface, points, r, colours.predicted, 1.3));
    context.globalAlpha = 1;
    store.checked.forEach((p) => {
      const spot = p.c.length === 3 && f.at(p.c);
      if (spot) mark(context, ...spot, p.role, colours, 5.5);
    });
    if (this.hover?.c?.length === 3 && surface.ratio && this.hover.kind !== "other") this.ring(context, f.at(this.hover.c), colours.pick);
    this.chosen(surface, f, store, size);
  }

  each(store, visit) {
    const { n, d, c } = store.cloud;
    const stride = Math.max(1, Math.ceil(n / 1500));
    if (store.predicted) for (let i = 0; i < n; i += stride) visit([c[i * d], c[i * d + 1], c[i * d + 2]], i);
  }

  ring(context, spot, colour) {
    if (spot) circle(context, ...spot, 10, colour, { dash: [3, 3] });
  }

  chosen({ context, colours }, f, store, size) {
    const { pick } = store.state;
    const spot = pick && f.at(pick.c);
    if (!spot) return;
    if (pick.kind === "checked") diamond(context, ...spot, size(pick.c) + 5, colours.pick, colours.background);
    else circle(context, ...spot, size(pick.c) + 4, colours.pick, { fill: colours.background, width: 3 });
  }

  outline({ context, colours }, f, store) {
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    const line = (a, b) => { context.moveTo(...a); context.lineTo(...b); };
    const part = (a, b, share) => a.map((v, axis) => v + share * (b[axis] - v));
    const [A, B, C] = f.corners;
    context.beginPath();
    [0.25, 0.5, 0.75].forEach((s) => {
      line(part(A, B, s), part(A, C, s));
      line(part(B, A, s), part(B, C, s));
      line(part(C, A, s), part(C, B, s));
    });
    context.stroke();
    context.strokeStyle = colours.text;
    context.beginPath();
    [[A, B], [B, C], [C, A]].forEach(([a, b]) => line(a, b));
    context.stroke();
    context.fillStyle = colours.text;
    context.font = `600 13px ${colours.font}`;
    const label = (k, dx, dy, align) => {
      context.textAlign = align;
      context.fillText(fill(store.data.text.corner, { name: store.experts[k].title }), f.corners[k][0] + dx, f.corners[k][1] + dy);
    };
    label(0, 0, 22, "center");
    label(1, 0, 22, "center");
    label(2, 0, -10, "center");
  }

  under(px, py, reach = 14) {
    if (!this.last) return null;
    const { f, store } = this.last;
    let least = reach * reach;
    let make = null;
    const test = (spot, how) => {
      const far = spot ? (spot[0] - px) ** 2 + (spot[1] - py) ** 2 : Infinity;
      if (far < least) [least, make] = [far, how];
    };
    this.each(store, (c, i) => test(f.at(c), () => store.byIndex(i)));
    store.checked.forEach((p, j) => { if (p.c.length === 3) test(f.at(p.c), () => store.byChecked(j)); });
    return make?.() ?? null;
  }
}
