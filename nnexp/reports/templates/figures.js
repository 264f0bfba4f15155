// Figures that answer to the hand: values under the pointer, arms hidden or alone, other scales.
// Values are read from their places in the drawing, so that the page need not have them twice.
// Arms are hidden in all figures of their group.
const { arms, groups, rounding, figures: drawn } = JSON.parse(document.getElementById("readings").textContent);
// The runs of marks are rows of this table, or seeds if the page has none.
const everyRun = document.querySelector("#every-run tbody");
const reading = document.getElementById("reading"), seeds = document.getElementById("seeds");
// The arms that are hidden, and what can be pressed to hide some.
const hidden = new Set(), keys = [];
// Marks without values to read; the farthest pointer, in points; the margin of an axis.
const MUTE = ["key", "band", "zero", "edge", "part"], NEAR = 14, MARGIN = 0.04;
// Marks that are read in words, anywhere on the cell or the box around their point.
const WORDED = ["cells", "boxes"];
const pressed = button => button.getAttribute("aria-pressed") === "true";

function element(tag, attributes, parent) {
  const made = document.createElementNS(parent.namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return parent.appendChild(made);
}

// A scale and its inverse, as Matplotlib defines them; ``linear`` is the linear part of a symlog.
function scaleOf(name, linear) {
  const least = 1 / 0.9;
  return {
    linear: [v => v, p => p],
    log: [Math.log10, p => 10 ** p],
    symlog: [
      v => Math.abs(v) <= linear ? v * least : Math.sign(v) * linear * (least + Math.log10(Math.abs(v) / linear)),
      p => Math.abs(p) <= linear * least ? p / least : Math.sign(p) * linear * 10 ** (Math.abs(p) / linear - least)],
  }[name];
}

// A direction of an axes: from values to places in the drawing, and back. Places are rounded, so
// values have no more digits than that leaves: steps of ``digit`` near 0, or ``digits`` on a log scale.
function direction([scale, low, high, label, linear], start, end) {
  const [to, back] = scaleOf(scale, linear), span = to(high) - to(low);
  const step = Math.abs(rounding * span / (end - start));
  const digit = 10 ** Math.ceil(Math.log10(4 * step * (linear ?? 1)));
  const digits = scale === "linear" ? 4 : Math.max(1, Math.min(4, Math.floor(-Math.log10(step * Math.LN10))));
  const rounded = v => scale === "log" ? v : Math.round(v / digit) * digit;
  return { scale, low, high, label, start, end, digits,
    place: v => start + (end - start) * (to(v) - to(low)) / span,
    value: p => rounded(back(to(low) + span * (p - start) / (end - start))) };
}

// The points of a path of lines, each with its command, M or L; they may be relative to each other.
function pointsOf(d) {
  const points = [];
  let command, x = 0, y = 0;
  for (const [, word, a, b] of d.matchAll(/([MLlz])|(-?[\d.]+) ?(-?[\d.]+)/g)) {
    if (word) command = word;
    else {
      [x, y] = command === "l" ? [x + +a, y + +b] : [+a, +b];
      points.push([command.toUpperCase(), x, y]);
    }
  }
  return points;
}

const at = use => ["x", "y"].map(side => +use.getAttribute(side));

// What a mark shows, the places of its points as they were drawn, and the values of these.
class Mark {
  constructor([kind, own, runs], group, panels) {
    Object.assign(this, { kind, own, runs, group });
    this.panel = panels.find(panel => panel.group.contains(group));
    this.mute = MUTE.includes(kind) || !this.panel;
    // A band is a shape that is placed once; a curve is a path, and other points are placed marks.
    this.uses = kind === "band" ? [] : [...group.querySelectorAll("use")].map(use => [use, at(use)]);
    this.path = group.querySelector(kind === "band" ? "path" : ":scope > path[d]");
    this.d = this.path?.getAttribute("d");
    const use = kind === "band" && group.querySelector("use");
    this.offset = use ? at(use) : [0, 0];
    this.line = this.path ? pointsOf(this.d) : [];
    this.points = this.path ? this.line.map(([, x, y]) => [x + this.offset[0], y + this.offset[1]])
      : this.uses.map(([, place]) => place);
    if (!this.mute || kind === "band") {
      this.values = this.points.map(([x, y]) => [this.panel.drawn.x.value(x), this.panel.drawn.y.value(y)]);
    }
  }

  get shown() {
    return !(this.own.length && this.own.every(arm => hidden.has(arm))) && (this.kind !== "seed" || pressed(seeds));
  }

  place(i) {
    return [this.panel.x.place(this.values[i][0]), this.panel.y.place(this.values[i][1])];
  }

  // How far a point is from the pointer; a mean is preferred to the seeds around it.
  distance(i, pointer) {
    const { x, y } = this.panel, [a, b] = this.place(i);
    const [dx, dy] = [Math.abs(a - pointer.x), Math.abs(b - pointer.y)];
    if (!WORDED.includes(this.kind)) return Math.hypot(dx, dy) - (this.kind === "mean" ? 2 : 0);
    const half = way => Math.abs(way.place(1) - way.place(0)) / 2;
    const on = this.kind === "cells" ? dx < half(x) && dy < half(y)
      : dx < 0.4 * half(x) && y.end < pointer.y && pointer.y < y.start;
    return on ? 0 : Infinity;
  }

  // Move all points to the present scales. What has no place, such as 0 on a log axis, leaves a gap.
  redraw() {
    const { x, y, drawn: first } = this.panel, before = x === first.x && y === first.y;
    const move = (a, b) => before ? [a, b] : [this.kind === "edge" ? a : x.place(first.x.value(a)),
      this.kind === "zero" ? b : y.place(first.y.value(b))];
    for (const [use, place] of this.uses) {
      const moved = move(...place), there = moved.every(isFinite);
      use.setAttribute("display", there ? "inline" : "none");
      if (there) ["x", "y"].forEach((side, i) => use.setAttribute(side, moved[i]));
    }
    const [dx, dy] = this.offset;
    let start = true;
    const d = this.line.map(([command, a, b]) => {
      const moved = move(a + dx, b + dy), word = start ? "M" : command;
      start = !moved.every(isFinite) && (start || this.kind !== "band");
      return moved.every(isFinite) ? `${word} ${moved[0] - dx} ${moved[1] - dy} ` : "";
    }).join("");
    this.path?.setAttribute("d", before ? this.d : d && this.d.includes("z") ? `${d}z` : d);
  }
}

class Figure {
  constructor(svg, { name, parts, marks, axes }) {
    Object.assign(this, { svg, name });
    const part = (kind, i) => document.getElementById(`${parts}-${kind}-${i}`);
    this.panels = axes.map(([left, top, right, bottom, x, y], i) => {
      const both = { x: direction(x, left, right), y: direction(y, bottom, top) };
      return { group: part("axes", i), ...both, drawn: both };
    });
    this.marks = marks.map((mark, i) => [mark, part("mark", i)]).filter(([, group]) => group)
      .map(([mark, group]) => new Mark(mark, group, this.panels));
    this.addKeys();
    for (const way of ["x", "y"]) this.addScale(way);
    for (const kind of ["pointermove", "pointerdown"]) this.svg.addEventListener(kind, event => this.read(event));
    this.svg.addEventListener("pointerleave", unread);
  }

  // An entry of the legend becomes a button: a clear area over its line and its words.
  addKeys() {
    const entries = this.marks.filter(mark => mark.kind === "key" && mark.own.length);
    if (entries.length) this.svg.setAttribute("role", "group");  // parts of an image cannot be pressed
    for (const own of new Set(entries.map(mark => String(mark.own)))) {
      const parts = entries.filter(mark => String(mark.own) === own);
      const boxes = parts.map(mark => mark.group.getBBox());
      const [x, y] = ["x", "y"].map(side => Math.min(...boxes.map(box => box[side])) - 3);
      const width = Math.max(...boxes.map(box => box.x + box.width)) + 3 - x;
      const height = Math.max(...boxes.map(box => box.y + box.height)) + 3 - y;
      const area = element("rect", { x, y, width, height, fill: "transparent" }, this.svg);
      addKey(area, parts[0].own, parts.map(mark => mark.group), this);
    }
  }

  addScale(way) {
    const side = way === "x" ? 0 : 1;
    const panels = this.panels.filter(panel => panel[way].label && (way === "x" || panel[way].scale !== "symlog")
      && this.marks.some(m => m.kind === "mean" && m.panel === panel && m.values.some(v => v[side] > 0)));
    if (!panels.length) return;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: `{{ tr("log {axis}", axis="${way}") }}` });
    this[way] = { panels, button, side, first: panels[0][way].scale };
    // An axis of time may be logarithmic from the first update on, with the moment before it.
    const stretched = this[way].first === "linear" ? "log" : this[way].first;
    button.setAttribute("aria-pressed", this[way].first === stretched);
    button.addEventListener("click", () => this.rescale(way, pressed(button) ? "linear" : stretched));
    this.svg.parentElement.querySelector(".files-of").append(" ", button);
  }

  // Draw one direction of the axes on another scale; on the first one, just as it was.
  rescale(way, scale) {
    const { panels, button, side, first } = this[way], [to, back] = scaleOf(scale);
    button.setAttribute("aria-pressed", scale !== "linear");
    for (const panel of panels) {
      const { low, high, label, start, end } = panel.drawn[way];
      const shares = p => panels.includes(p) && p.drawn[way].low === low && p.drawn[way].high === high;
      const found = this.marks.filter(m => m.values && shares(m.panel))
        .flatMap(m => m.values.map(v => to(v[side]))).filter(v => Math.abs(v) < 1e29);
      const ends = [Math.min(...found), Math.max(...found)], margin = MARGIN * (ends[1] - ends[0]) || 0.5;
      panel[way] = scale === first ? panel.drawn[way]
        : direction([scale, back(ends[0] - margin), back(ends[1] + margin), label], start, end);
    }
    for (const mark of this.marks) if (panels.includes(mark.panel)) mark.redraw();
    for (const panel of panels) drawTicks(panel, way, scale === first);
    unread();
  }

  // Show the value nearest to the pointer.
  read(event) {
    const matrix = this.svg.getScreenCTM().inverse();
    const pointer = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    let best, near = NEAR;
    for (const mark of this.marks.filter(m => !m.mute && m.shown)) {
      for (const i of mark.values.keys()) {
        const distance = mark.distance(i, pointer);
        if (distance < near) [best, near] = [[mark, i], distance];
      }
    }
    best ? this.show(...best) : unread();
  }

  show(mark, i) {
    const [cx, cy] = mark.place(i), [x, y] = mark.values[i];
    if (!isFinite(cx + cy)) return unread();
    const run = mark.runs[mark.runs.length > 1 ? i : 0], cells = everyRun?.rows[run]?.cells;
    const worded = WORDED.includes(mark.kind);
    const seed = cells ? cells[2].textContent : everyRun || typeof run === "string" ? undefined : run;
    const kind = mark.kind{% if language() != "en" %} === "mean" ? "{{ tr("mean") }}" : mark.kind{% endif %};
    const what = seed === undefined ? typeof run === "string" ? run : kind : `{{ tr("seed {seed}", seed="${seed}") }}`;
    const several = mark.own.length > 1 ? `{{ tr("{number} arms", number="${mark.own.length}") }}` : arms[mark.own[0]] ?? "";
    // A point of several arms may say itself of which it is.
    const named = mark.kind === "runs" && typeof run === "string";
    const whose = cells ? cells[1].textContent : named ? "" : several;
    const lines = worded ? [...(whose ? [whose] : []), ...run.split("\n")] : [whose ? `${whose}: ${what}` : what];
    for (const [way, value] of [["x", x], ["y", y]]) {
      const { label } = mark.panel[way], { digits } = mark.panel.drawn[way];
      if (label && !worded) lines.push(`${label}: ${written(value, digits)}`);
    }
    const band = this.marks.find(m => m.kind === "band" && m.panel === mark.panel && m.own[0] === mark.own[0]);
    const place = mark.panel.drawn.x.place(x);
    const ends = band?.points.flatMap(([a], n) => Math.abs(a - place) < 0.01 ? [band.values[n][1]] : []) ?? [];
    if (mark.kind === "mean" && ends.length) {
      const [low, high] = [Math.min(...ends), Math.max(...ends)].map(v => written(v, mark.panel.drawn.y.digits));
      lines.push(`{{ tr("seeds: {low} to {high}", low="${low}", high="${high}") }}`);
    }
    if (cells) lines.push(cells[0].textContent);
    unread();
    reading.replaceChildren(...lines.map((line, n) =>
      Object.assign(document.createElement(n ? "div" : "strong"), { textContent: line })));
    const look = { fill: "none", stroke: worded ? "none" : "var(--ink)", "stroke-width": 1.5, "pointer-events": "none" };
    const box = element("circle", { id: "ring", cx, cy, r: 5, ...look }, this.svg).getBoundingClientRect();
    reading.hidden = false;
    const above = box.top - reading.offsetHeight - 4;
    reading.style.left = `${Math.max(4, Math.min(box.right + 6, innerWidth - reading.offsetWidth - 4))}px`;
    reading.style.top = `${above > 4 ? above : box.bottom + 4}px`;
  }

  // With the arrow keys the first curve of an arm is read point by point.
  step(own, by) {
    const mark = this.marks.find(m => m.kind === "mean" && m.own.some(arm => own.includes(arm)));
    if (!mark) return;
    const last = mark.values.length - 1, i = this.stepped?.mark === mark ? this.stepped.i + by : by > 0 ? 0 : last;
    this.stepped = { mark, i: Math.max(0, Math.min(last, i)) };
    this.show(mark, this.stepped.i);
  }
}

function unread() {
  document.getElementById("ring")?.remove();
  reading.hidden = true;
}

const written = (value, digits = 4) =>
  value > 1e29 ? "∞" : String(+value.toPrecision(digits)).replace("-", "−");

// Ticks for a new scale, in place of those that were drawn.
function drawTicks({ group, ...now }, way, first) {
  const axis = group.querySelectorAll(':scope > [id*="matplotlib.axis_"]')[way === "x" ? 0 : 1];
  const before = [...axis.querySelectorAll(':scope > [id*="tick_"]')];
  for (const tick of before) tick.setAttribute("display", first ? "inline" : "none");
  axis.querySelector(".ticks")?.remove();
  if (first) return;
  const made = element("g", { class: "ticks", "font-size": 9.5 }, axis);
  const across = now[way === "x" ? "y" : "x"], { low, high, scale } = now[way];
  for (const value of roundNumbers(low, high, scale)) {
    const p = now[way].place(value);
    const [d, place] = way === "x"
      ? [`M ${p} ${across.start} V ${across.end}`, { x: p, y: across.start + 14, "text-anchor": "middle" }]
      : [`M ${across.start} ${p} H ${across.end}`, { x: across.start - 6, y: p + 3.5, "text-anchor": "end" }];
    element("path", { d, stroke: "var(--e4e4e4)", "stroke-width": 0.8 }, made);
    if (before.some(tick => tick.querySelector("text"))) element("text", place, made).textContent = written(value);
  }
}

// Round numbers for an axis: powers of ten, with some between, or equal steps.
function roundNumbers(low, high, scale) {
  const decades = Math.log10(high / low), found = [];
  if (scale === "log" && decades > 1) {
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e += Math.ceil(decades / 7)) {
      found.push(...(decades < 2.5 ? [1, 2, 5] : [1]).map(m => +`${m}e${e}`));
    }
  } else {
    const least = (high - low) / 6, power = 10 ** Math.floor(Math.log10(least));
    const step = power * [1, 2, 5, 10].find(m => m * power >= least);
    for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(+(n * step).toPrecision(12));
  }
  return found.filter(value => low <= value && value <= high);
}

// What hides its own arms when it is pressed; pressed twice, or with Shift, it shows them alone.
function addKey(button, own, parts, figure) {
  keys.push({ button, own, parts });
  const label = own.map(arm => arms[arm]).join("; ");
  const about = { role: "button", class: `${button.getAttribute("class") ?? ""} key`, tabindex: 0, "aria-label": label };
  for (const [name, value] of Object.entries(about)) button.setAttribute(name, value);
  button.addEventListener("click", () => toggle(own));
  button.addEventListener("dblclick", () => alone(own));
  button.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") (event.shiftKey ? alone : toggle)(own);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") figure?.step(own, event.key === "ArrowRight" ? 1 : -1);
    else return;
    event.preventDefault();
  });
}

function toggle(own) {
  const off = own.every(arm => hidden.has(arm));
  own.forEach(arm => off ? hidden.delete(arm) : hidden.add(arm));
  show();
}

function alone(own) {
  const others = [...arms.keys()].filter(arm => groups[arm] === groups[own[0]] && !own.includes(arm));
  const already = hidden.size === others.length && others.every(arm => hidden.has(arm));
  hidden.clear();
  if (!already) others.forEach(arm => hidden.add(arm));
  show();
}

function show() {
  for (const mark of figures.flatMap(figure => figure.marks)) {
    if (mark.kind !== "key") mark.group.setAttribute("display", mark.shown ? "inline" : "none");
  }
  for (const { button, own, parts } of keys) {
    const on = !own.every(arm => hidden.has(arm));
    button.setAttribute("aria-pressed", on);
    for (const part of parts) part.setAttribute("opacity", on ? 1 : 0.3);
  }
  const left = `{{ tr("{shown} of {arms} arms are shown.", shown="${arms.length - hidden.size}", arms="${arms.length}") }}`;
  document.getElementById("shown").textContent = hidden.size ? left : "";
  unread();
}

function reset() {
  hidden.clear();
  seeds.setAttribute("aria-pressed", true);
  for (const figure of figures) for (const way of ["x", "y"]) if (figure[way]) figure.rescale(way, figure[way].first);
  show();
}

const figures = [];

function add(svg) {
  const figure = new Figure(svg, drawn[svg.id]);
  figures.push(figure);
  addMenu(figure);
}

if (arms.length > 1) {
  for (const row of document.querySelectorAll("tr[data-arm]")) addKey(row.querySelector(".arm"), [+row.dataset.arm], []);
}
const kinds = Object.values(drawn).flatMap(({ marks }) => marks.map(([kind]) => kind));
document.getElementById("hand").hidden = kinds.every(kind => MUTE.includes(kind));
document.getElementById("everything").addEventListener("click", reset);
seeds.hidden = !kinds.includes("seed");
seeds.addEventListener("click", () => {
  seeds.setAttribute("aria-pressed", !pressed(seeds));
  show();
});
document.addEventListener("keydown", event => { if (event.key === "Escape") reset(); });
// A figure that is folded away has no size to put buttons on.
for (const id of Object.keys(drawn)) {
  const svg = document.getElementById(id), folded = svg.closest("details:not([open])");
  folded ? folded.addEventListener("toggle", () => { add(svg); show(); }, { once: true }) : add(svg);
}
show();
