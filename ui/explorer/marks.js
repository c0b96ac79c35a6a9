// Colours and shapes. Predicted and measured never share a mark; shape says it as well as colour (Okabe-Ito).

const LIGHT = { predicted: "#0072B2", checked: "#007A5A", pick: "#C44601", specialist: "#B87400", base: "#5A5A5A", ghost: "#9AA3AB" };
const DARK = { predicted: "#56B4E9", checked: "#2CC79A", pick: "#FF8A4C", specialist: "#F2B33D", base: "#C2C7CC", ghost: "#6C757D" };

function luminance(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}

/** The theme's colours as the page has them now. */
export function palette(element) {
  const style = getComputedStyle(element);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const background = read("--st-background-color", "#ffffff");
  const dark = luminance(background) < 0.5;
  return {
    ...(dark ? DARK : LIGHT),
    dark,
    background,
    text: read("--st-text-color", dark ? "#fafafa" : "#1f2933"),
    line: read("--st-border-color", dark ? "#444b55" : "#d5dbe1"),
    font: read("--st-font", "sans-serif"),
  };
}

/** Sizes a canvas to its box at the screen's resolution; returns a cleared 2-D context in CSS pixels. */
export function prepare(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function circle(context, x, y, radius, colour, { fill = null, width = 1.5, dash = [] } = {}) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  finish(context, colour, fill, width, dash);
}

function polygon(context, corners, colour, fill, width) {
  context.beginPath();
  corners.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  finish(context, colour, fill, width, []);
}

function finish(context, colour, fill, width, dash) {
  if (fill) {
    context.fillStyle = fill;
    context.fill();
  }
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

export function diamond(context, x, y, r, colour, edge) {
  polygon(context, [[x, y - r], [x + r, y], [x, y + r], [x - r, y]], edge, colour, 1.25);
}

export function triangle(context, x, y, r, colour, edge) {
  polygon(context, [[x, y - r], [x + r, y + 0.8 * r], [x - r, y + 0.8 * r]], edge, colour, 1.25);
}

export function square(context, x, y, r, colour, edge) {
  polygon(context, [[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]], edge, colour, 1.25);
}

/** The mark of a measured mix by its role. */
export function mark(context, x, y, role, colours, size = 6) {
  if (role === "specialist") triangle(context, x, y, size + 1, colours.specialist, colours.background);
  else if (role === "base" || role === "average") square(context, x, y, size - 1, colours.base, colours.background);
  else diamond(context, x, y, size, colours.checked, colours.background);
}

/** Diagonal hatching over a box: "ruled out", readable without colour. */
export function hatch(context, x, y, width, height, colour) {
  if (width <= 0 || height <= 0) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.globalAlpha = 0.28;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let k = -height; k < width; k += 9) {
    context.moveTo(x + k, y + height);
    context.lineTo(x + k + height, y);
  }
  context.stroke();
  context.restore();
}
