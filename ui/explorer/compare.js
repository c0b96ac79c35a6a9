// The tray: up to four mixes side by side with their paired differences, and a radar of up to three of them.
import { make, button } from "./rows.js";
import { DASHES, diamond, circle, haloed, mark, screen, sizeOf } from "./marks.js";
import { saveMenu } from "./save.js";
import { fill, number, signed } from "./words.js";

const SPOKES = 3;
const NARROW = 420; // below it there is no room beside the spokes: their titles stand above or below the ends

/** The chosen and kept mixes as spokes: centre = the worst, rim = the best that is known for a task. */
export class Radar {
  draw(store, surface) {
    const { context, width, height, colours } = surface;
    const T = store.tasks.length;
    const r = Math.min(width / 2 - (width < NARROW ? 20 : 84), (height - 60) / (T === 3 ? 1.5 : 2));
    const [x, y] = [width / 2, r + 32];
    const spoke = (t, share) => {
      const angle = (2 * Math.PI * t) / T - Math.PI / 2;
      return [x + r * share * Math.cos(angle), y + r * share * Math.sin(angle)];
    };
    const ends = store.tasks.map((_, t) => {
      const known = [store.range.low[t], store.range.high[t], ...store.checked.map((p) => p.m[t])];
      return [Math.min(...known), Math.max(...known)];
    });
    const share = (v, t) => 0.06 + (0.94 * (v - ends[t][0])) / Math.max(1e-9, ends[t][1] - ends[t][0]);
    this.web(surface, store, spoke);
    const ring = (values, colour, line, dash) => {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.setLineDash(dash);
      context.beginPath();
      values.forEach((v, t) => (t ? context.lineTo(...spoke(t, share(v, t))) : context.moveTo(...spoke(t, share(v, t)))));
      context.closePath();
      context.stroke();
      context.setLineDash([]);
      return (draw) => values.forEach((v, t) => draw(...spoke(t, share(v, t))));
    };
    const dashes = { base: [2, 3], average: [6, 3], specialist: [] };
    store.lines.filter((p) => p.role in dashes).forEach((p) => {
      // Many specialists would hide everything: then each is marked on its own task only.
      const own = store.tasks.findIndex((task) => `expert:${task.name}` === p.label);
      if (p.role === "specialist" && T > 3) mark(context, ...spoke(Math.max(own, 0), share(p.m[Math.max(own, 0)], Math.max(own, 0))), p.role, colours, 5);
      else ring(p.m, p.role === "specialist" ? colours.specialist : colours.base, 1.25, dashes[p.role])((a, b) => mark(context, a, b, p.role, colours, 5));
    });
    mixesOf(store).forEach(({ mix, name }, k) => {
      ring(mix.m, k ? colours.text : colours.pick, 2.5, k ? DASHES[k - 1] : [])((a, b) => {
        if (mix.kind === "checked") diamond(context, a, b, 6, k ? colours.text : colours.pick, colours.background);
        else circle(context, a, b, 5, k ? colours.text : colours.pick, { fill: colours.background, width: 2.25 });
      });
      const [a, b] = spoke(0, share(mix.m[0], 0));
      context.font = `700 12px ${colours.font}`;
      context.textAlign = "left";
      haloed(context, name, a + 9 + 14 * k, b + 4, k ? colours.text : colours.pick, colours);
    });
  }

  web({ context, width, colours }, store, spoke) {
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    store.tasks.forEach((_, t) => {
      context.moveTo(...spoke(t, 0));
      context.lineTo(...spoke(t, 1));
    });
    [0.5, 1].forEach((share) => store.tasks.forEach((_, t) => {
      context.moveTo(...spoke(t, share));
      context.lineTo(...spoke((t + 1) % store.tasks.length, share));
    }));
    context.stroke();
    context.fillStyle = colours.text;
    context.font = `600 12px ${colours.font}`;
    store.tasks.forEach((task, t) => {
      const [a, b] = spoke(t, 1.09);
      const [centre, middle] = spoke(t, 0);
      if (width < NARROW) {
        const half = 3.5 * task.title.length; // about half of its width in this font
        context.textAlign = "center";
        context.fillText(task.title, Math.max(half, Math.min(width - half, a)), b > middle ? b + 14 : b - 2);
        return;
      }
      context.textAlign = Math.abs(a - centre) < 12 ? "center" : a > centre ? "left" : "right";
      context.fillText(task.title, a, b + 4);
    });
  }
}

/** What the radar shows: the chosen mix, then kept ones that differ from it; three at most. */
function mixesOf(store) {
  const { pick, tray } = store.state;
  const kept = tray.map((mix, k) => ({ mix, name: "ABCD"[k] }));
  const here = pick && !kept.some(({ mix }) => String(mix.c) === String(pick.c));
  return [...(here ? [{ mix: pick, name: store.data.text.yourMix }] : []), ...kept].slice(0, SPOKES);
}

export class Compare {
  constructor(store) {
    this.store = store;
    const { text } = store.data;
    this.element = make("div", "compare");
    this.tray = make("div", "tray");
    this.element.append(this.tray);
    if (store.tasks.length < 3) return;
    this.radar = new Radar();
    this.canvas = make("canvas", "radar");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", text.radarLabel);
    const tools = make("div", "tools");
    tools.append(make("p", "hint", text.radarHint), saveMenu(store, text.saveRadar, () => ({ view: this.radar, canvas: this.canvas, name: text.radarName })));
    const box = make("div", "radarbox");
    box.append(tools, this.canvas);
    this.element.append(box);
  }

  draw(colours) {
    this.table();
    if (this.radar && sizeOf(this.canvas)[0] > 40) this.radar.draw(this.store, screen(this.canvas, colours));
  }

  table() {
    const { store, tray: home } = this;
    const { text } = store.data;
    const { tray, pick } = store.state;
    const says = JSON.stringify([tray.map((p) => [p.c, p.kind, p.m]), pick?.c, store.revision, Boolean(store.samples)]);
    if (home.dataset.says === says) return;
    home.dataset.says = says;
    if (!tray.length) {
      home.replaceChildren(make("p", "hint", text.trayEmpty));
      return;
    }
    const table = make("table");
    const head = make("tr");
    head.append(make("th", "", text.trayMix), ...store.tasks.map((task) => make("th", "", task.title)), make("th", "", text.trayTools));
    table.append(head, ...tray.map((mix, k) => this.line(mix, k, tray, pick, text)));
    const box = make("div", "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", text.tray);
    box.append(table);
    home.replaceChildren(box, make("p", "hint", tray.length > 1 ? text.trayPaired : text.trayOne));
  }

  line(mix, k, tray, pick, text) {
    const { store } = this;
    const line = make("tr");
    line.append(make("th", "", `${"ABCD"[k]} · ${text.kindShort[mix.kind]}`));
    const gains = k ? store.gains(mix, tray[0]) : null;
    store.tasks.forEach((task, t) => {
      const cell = make("td", gains?.[t].same ? "same" : "", number(mix.m[t], task, "score") + task.suffix);
      if (gains) cell.append(make("small", "", differenceWords(gains[t], task, text)));
      line.append(cell);
    });
    const tools = make("td");
    const name = "ABCD"[k];
    tools.append(
      button("quiet", text.show, `${text.show} ${name}`, () => store.choose(mix)),
      button("quiet", text.remove, `${text.remove} ${name}`, () => store.drop(k)),
    );
    line.append(tools);
    if (pick && mix.c.every((v, i) => Math.abs(v - pick.c[i]) < 1e-6)) line.className = "current";
    return line;
  }
}

/** "+1.2 (won 9, lost 4)", or "about the same" where the difference may be chance. */
function differenceWords(gain, task, text) {
  const delta = signed(gain.delta, task, "score");
  const pairs = gain.won === null ? "" : fill(text.wonLost, { won: gain.won, lost: gain.lost });
  return [gain.same ? text.aboutSame : delta, pairs].filter(Boolean).join(" ");
}
