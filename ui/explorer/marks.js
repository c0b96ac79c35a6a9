// Colours and shapes. Predicted and measured never share a mark; shape says it as well as colour (Okabe-Ito).

const LIGHT = { predicted: "#0072B2", checked: "#007A5A", pick: "#C44601", specialist: "#B87400", base: "#5A5A5A", ghost: "#9AA3AB", others: ["#9B3F7A", "#6B6100", "#4B4BB0"] };
const DARK = { predicted: "#56B4E9", checked: "#2CC79A", pick: "#FF8A4C", specialist: "#F2B33D", base: "#C2C7CC", ghost: "#6C757D", others: ["#E79BC6", "#D9CF4A", "#A9A9FF"] };
const darkness = new Map();

function isDark(colour) {
  if (!darkness.has(colour)) {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    darkness.set(colour, 0.2126 * r + 0.7152 * g + 0.0722 * b < 127.5);
  }
  return darkness.get(colour);
}

/** The theme's colours as the page has them now. */
export function palette(element) {
  const style = getComputedStyle(element);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const background = read("--st-background-color", "#ffffff");
  const dark = isDark(background);
  return {
    ...(dark ? DARK : LIGHT),
    dark,
    background,
    text: read("--st-text-color", dark ? "#fafafa" : "#1f2933"),
    line: read("--st-border-color", dark ? "#444b55" : "#d5dbe1"),
    font: read("--st-font", "sans-serif"),
  };
}

const boxes = new WeakMap();

/** Sizes as the browser reports them: asking every canvas on every frame would make it lay the page out anew. */
export function sizes(seen) {
  seen.forEach(({ target, contentRect }) => boxes.set(target, [contentRect.width, contentRect.height]));
}

/** Width and height of a canvas in CSS pixels; 0, 0 while it is hidden. */
export function sizeOf(canvas) {
  return boxes.get(canvas) ?? [canvas.clientWidth, canvas.clientHeight];
}

/** Where a view is drawn: a canvas at the screen's resolution, cleared, in CSS pixels. svg.js has the other kind. */
export function screen(canvas, colours) {
  const [width, height] = sizeOf(canvas);
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, colours, ratio };
}

export function circle(context, x, y, radius, colour, { fill = null, width = 1.5, dash = [] } = {}) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  finish(context, colour, fill, width, dash);
}

/** Many equal circles. On the screen their pixels are set by hand: thousands of drawing calls would take too long. */
export function circles(surface, points, radius, colour, width) {
  if (!points.length) return;
  const { context, ratio } = surface;
  if (!ratio) {
    points.forEach(([x, y]) => circle(context, x, y, radius, colour, { width }));
    return;
  }
  const { side, alpha, tint } = stampOf(radius, colour, width, ratio);
  const { canvas, image, pixels, across, down } = sheetOf(surface);
  pixels.fill(0);
  for (let i = 0; i < points.length; i += 1) {
    const left = Math.round(points[i][0] * ratio) - (side >> 1);
    const top = Math.round(points[i][1] * ratio) - (side >> 1);
    if (left < 0 || top < 0 || left + side > across || top + side > down) continue;
    for (let row = 0, k = 0; row < side; row += 1) {
      for (let at = (top + row) * across + left, end = at + side; at < end; at += 1, k += 1) {
        if (alpha[k] > pixels[at] >>> 24) pixels[at] = (alpha[k] << 24) | tint;
      }
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(canvas, 0, 0, across / ratio, down / ratio);
}

const sheets = new Map();

/** A drawing sheet of the surface's size whose pixels can be set, red in the lowest byte. */
function sheetOf({ width, height, ratio }) {
  const [across, down] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  const key = `${across} ${down}`;
  if (!sheets.has(key)) {
    if (sheets.size > 3) sheets.clear();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [across, down];
    const image = canvas.getContext("2d").createImageData(across, down);
    sheets.set(key, { canvas, image, pixels: new Uint32Array(image.data.buffer), across, down });
  }
  return sheets.get(key);
}

const stamps = new Map();

/** One circle's coverage, {side, alpha (side * side), tint}. */
function stampOf(radius, colour, width, ratio) {
  const key = `${radius} ${colour} ${width} ${ratio}`;
  if (!stamps.has(key)) {
    if (stamps.size > 40) stamps.clear();
    const side = 2 * Math.ceil((radius + width) * ratio) + 1;
    const small = document.createElement("canvas");
    small.width = small.height = side;
    const context = small.getContext("2d", { willReadFrequently: true });
    context.scale(ratio, ratio);
    circle(context, side / ratio / 2, side / ratio / 2, radius, colour, { width });
    const alpha = context.getImageData(0, 0, side, side).data.filter((_, k) => k % 4 === 3);
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
    stamps.set(key, { side, alpha, tint: (b << 16) | (g << 8) | r });
  }
  return stamps.get(key);
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

export function diamond(context, x, y, r, colour, edge, width = 1.25) {
  polygon(context, [[x, y - r], [x + r, y], [x, y + r], [x - r, y]], edge, colour, width);
}

export function triangle(context, x, y, r, colour, edge) {
  polygon(context, [[x, y - r], [x + r, y + 0.8 * r], [x - r, y + 0.8 * r]], edge, colour, 1.25);
}

export function square(context, x, y, r, colour, edge, width = 1.25) {
  polygon(context, [[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]], edge, colour, width);
}

function strokes(context, lines, colour, width) {
  context.beginPath();
  lines.forEach(([x0, y0, x1, y1]) => {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  });
  finish(context, colour, null, width, []);
}

/** The mark of a measured mix by its role: ▲ specialist, ■ base, □ average, ⊠ usual recipe, ◆ any other. */
export function mark(context, x, y, role, colours, size = 6) {
  const r = size - 1;
  if (role === "specialist") triangle(context, x, y, size + 1, colours.specialist, colours.background);
  else if (role === "base") square(context, x, y, r, colours.base, colours.background);
  else if (role === "average" || role === "arithmetic") {
    square(context, x, y, r, colours.background, colours.base, 2);
    if (role === "arithmetic") strokes(context, [[x - r, y - r, x + r, y + r], [x - r, y + r, x + r, y - r]], colours.base, 1.6);
  } else diamond(context, x, y, size, colours.checked, colours.background);
}

export const DASHES = [[7, 3], [2, 3], [9, 3, 2, 3]];

/** The mark of another way of blending: ×, +, ▽; inside an open diamond where it was measured. */
export function otherMark(context, x, y, index, colours, checked = false, r = 3.6) {
  const colour = colours.others[index % 3];
  const width = checked ? 2 : 1.5;
  if (index % 3 === 0) strokes(context, [[x - r, y - r, x + r, y + r], [x - r, y + r, x + r, y - r]], colour, width);
  else if (index % 3 === 1) strokes(context, [[x - r - 1, y, x + r + 1, y], [x, y - r - 1, x, y + r + 1]], colour, width);
  else polygon(context, [[x, y + r + 0.6], [x + r + 0.6, y - r + 0.4], [x - r - 0.6, y - r + 0.4]], colour, null, width);
  if (checked) diamond(context, x, y, r + 4.5, null, colour, 1.5);
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

/** Text with a halo in the colour of the page, so that it can be read over marks. */
export function haloed(context, text, x, y, colour, colours) {
  context.lineWidth = 4;
  context.strokeStyle = colours.background;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
