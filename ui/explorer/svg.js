// The drawing commands that the views use, as SVG; so a saved plot is the very drawing on the screen.

const NAMESPACE = "http://www.w3.org/2000/svg";
const round = (v) => String(Math.round(v * 100) / 100);
const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

export class SvgContext {
  constructor() {
    this.parts = [];
    this.path = [];
    this.clips = 0;
    this.stack = [];
    Object.assign(this, { globalAlpha: 1, fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, font: "12px sans-serif", textAlign: "left", dash: [], place: "", clipping: "" });
  }

  save() {
    const { globalAlpha, fillStyle, strokeStyle, lineWidth, font, textAlign, dash, place, clipping } = this;
    this.stack.push({ globalAlpha, fillStyle, strokeStyle, lineWidth, font, textAlign, dash, place, clipping });
  }

  restore() { Object.assign(this, this.stack.pop()); }
  translate(x, y) { this.place += `translate(${round(x)} ${round(y)}) `; }
  rotate(angle) { this.place += `rotate(${round((angle * 180) / Math.PI)}) `; }
  setLineDash(dash) { this.dash = dash; }
  beginPath() { this.path = []; }
  closePath() { this.path.push("Z"); }
  moveTo(x, y) { this.path.push(`M${round(x)} ${round(y)}`); }
  lineTo(x, y) { this.path.push(`L${round(x)} ${round(y)}`); }
  rect(x, y, w, h) { this.path.push(`M${round(x)} ${round(y)}h${round(w)}v${round(h)}h${round(-w)}Z`); }

  /** Whole circles only. */
  arc(x, y, r) {
    const [a, b, c] = [round(x - r), round(y), round(r)];
    this.path.push(`M${a} ${b}a${c} ${c} 0 1 0 ${round(2 * r)} 0a${c} ${c} 0 1 0 ${round(-2 * r)} 0Z`);
  }

  ellipse(x, y, rx, ry) {
    const [a, b] = [round(rx), round(ry)];
    this.path.push(`M${round(x - rx)} ${round(y)}a${a} ${b} 0 1 0 ${round(2 * rx)} 0a${a} ${b} 0 1 0 ${round(-2 * rx)} 0Z`);
  }

  clip() {
    this.clips += 1;
    this.parts.push(`<clipPath id="c${this.clips}"><path d="${this.path.join("")}"/></clipPath>`);
    this.clipping = ` clip-path="url(#c${this.clips})"`;
  }

  add(tag, more) {
    const alpha = this.globalAlpha < 1 ? ` opacity="${round(this.globalAlpha)}"` : "";
    const place = this.place ? ` transform="${this.place.trim()}"` : "";
    this.parts.push(`<${tag}${alpha}${place}${this.clipping} ${more}`);
  }

  fill() { this.add("path", `d="${this.path.join("")}" fill="${escape(this.fillStyle)}"/>`); }

  stroke() {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    this.add("path", `d="${this.path.join("")}" fill="none" stroke="${escape(this.strokeStyle)}" stroke-width="${round(this.lineWidth)}" stroke-linejoin="round"${dash}/>`);
  }

  fillRect(x, y, w, h) {
    this.add("rect", `x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" fill="${escape(this.fillStyle)}"/>`);
  }

  text(text, x, y, paint) {
    const [, weight, size, family] = /^(?:(\d+|bold) )?([\d.]+)px (.*)$/.exec(this.font) ?? ["", "", "12", "sans-serif"];
    const anchor = { center: "middle", right: "end", left: "start" }[this.textAlign] ?? "start";
    this.add("text", `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight || 400}" font-family="${escape(family)}" ${paint}>${escape(text)}</text>`);
  }

  fillText(text, x, y) { this.text(text, x, y, `fill="${escape(this.fillStyle)}"`); }
  strokeText(text, x, y) { this.text(text, x, y, `fill="none" stroke="${escape(this.strokeStyle)}" stroke-width="${round(this.lineWidth)}" stroke-linejoin="round"`); }
}

/** A surface as marks.js has it, and what was drawn on it as the text of an SVG file. */
export function paper(width, height, colours) {
  const context = new SvgContext();
  const text = (title) =>
    `<svg xmlns="${NAMESPACE}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"><title>${escape(title)}</title>` +
    `<rect width="100%" height="100%" fill="${escape(colours.background)}"/>${context.parts.join("")}</svg>`;
  return { surface: { context, width, height, colours, ratio: 0 }, text };
}
