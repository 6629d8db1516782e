/** Curves drawn by uPlot, with bands, marks, a cursor, and a zoom that new points don't change. */
import uPlot from "../vendor/uplot.js";
import { resolve, seriesColor } from "../lib/colors.js";
import { compact, duration, number, visible } from "../lib/format.js";
import { isClose, smooth } from "../lib/statistics.js";

/**
 * @typedef {Object} Series
 * @property {string} label
 * @property {string} [mode] A short name that is shown beside the value, such as `eval`.
 * @property {number} color Index of the colour.
 * @property {number[]} x
 * @property {(number | null)[]} y
 * @property {[(number | null)[], (number | null)[]]} [band] Its lower and its upper edge.
 * @property {boolean} [dashed]
 */

/**
 * @typedef {Object} Options
 * @property {number} smoothing From 0 (none) to below 1.
 * @property {boolean} isLog
 * @property {import("../lib/axis.js").AxisName} axis
 */

/**
 * @typedef {Object} Mark A vertical line.
 * @property {number} x
 * @property {"attempt" | "info" | "warning" | "critical" | "divergence"} kind
 * @property {string} label
 */

/**
 * @typedef {Object} View What a plot shows. The owner changes it and then calls `update`.
 * @property {Series[]} series
 * @property {Options} options
 * @property {Mark[]} marks
 * @property {string} [group]
 * @property {(x: number) => void} [onPick]
 * @property {(x: number) => string} [noteAt]
 */

const CLICK_PIXELS = 4;
const DOUBLE_CLICK_MS = 300;
const DAY_S = 86_400;
const DIGIT_PIXELS = 6.5;
const MIN_LABEL_PIXELS = 48;
const MAX_LABEL_PIXELS = 100;
const MARK_PIXELS = 6;
const MARK_COLORS = { attempt: "--muted", info: "--accent", warning: "--warning", critical: "--critical", divergence: "--text" };
const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** A plot in an element. */
export class Plot {
  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} reading Shows the values at the cursor, in its `b` and `.at`.
   * @param {View} view
   */
  constructor(element, reading, view) {
    this.element = element;
    this.reading = reading;
    this.view = view;
    this.isZoomed = false;
    this.shownData = "";
    this.draw();
    this.observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = element;
      if (clientWidth) this.uplot.setSize({ width: clientWidth, height: clientHeight });
    });
    this.observer.observe(element);
    this.redraw = () => {
      this.uplot.destroy();
      this.draw();
    };
    darkScheme.addEventListener("change", this.redraw);
  }

  destroy() {
    this.observer.disconnect();
    darkScheme.removeEventListener("change", this.redraw);
    this.uplot.destroy();
  }

  draw() {
    const { view, element } = this;
    const { tables, drawn, bands } = layOut(view.series, view.options);
    this.uplot = new uPlot({ ...this.config(), width: element.clientWidth, height: element.clientHeight, series: [{}, ...drawn], bands }, uPlot.join(tables), element);
    this.showReading();
  }

  /** Show the current points of the view. @param {string} data Differs whenever they do. */
  update(data) {
    const isFirst = this.shownData === "";
    this.shownData = data;
    if (isFirst) return; // the constructor has drawn them
    const { min, max } = this.uplot.scales.x;
    this.uplot.setData(uPlot.join(layOut(this.view.series, this.view.options).tables), !this.isZoomed);
    if (this.isZoomed) this.uplot.setScale("x", { min, max });
    this.showReading();
  }

  /** Move the cursor to another point, or open the current one. @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { uplot: u } = this;
    const xs = u.data[0];
    const { idx } = u.cursor;
    const last = xs.length - 1;
    const to = { ArrowLeft: (idx ?? last + 1) - 1, ArrowRight: (idx ?? -1) + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" && idx != null) this.view.onPick?.(xs[idx]);
    else if (to === undefined) return;
    else u.setCursor({ left: u.valToPos(xs[Math.max(0, Math.min(last, to))], "x"), top: u.over.clientHeight / 2 });
    event.preventDefault();
    event.stopPropagation();
  }

  config() {
    const { options, group } = this.view;
    let down = /** @type {number | null} */ (null);
    const onMouseDown = (_u, _target, handler) => (event) => {
      down = event.clientX;
      handler(event);
    };
    let picking = 0;
    const onDoubleClick = (_u, _target, handler) => (event) => {
      clearTimeout(picking);
      this.isZoomed = false;
      handler(event);
    };
    const onClick = (event) => {
      const isDrag = down !== null && Math.abs(event.clientX - down) > CLICK_PIXELS;
      const { cursor, data } = this.uplot;
      if (isDrag || cursor.idx == null) return;
      const x = data[0][cursor.idx];
      // If a double click would reset the zoom, a single click waits for a second one.
      clearTimeout(picking);
      picking = setTimeout(() => this.view.onPick?.(x), this.isZoomed ? DOUBLE_CLICK_MS : 0);
    };
    return {
      padding: [8, 10, 0, 0],
      cursor: {
        sync: group ? { key: group, setSeries: false } : undefined,
        points: { size: 6 },
        drag: { x: true, y: false },
        bind: { mousedown: onMouseDown, dblclick: onDoubleClick },
      },
      scales: { x: { time: options.axis === "time" }, y: options.isLog ? { distr: 3 } : { range: rangeOf } },
      axes: [axis({ size: 24, space: 60, values: X_LABELS[options.axis] }), axis({ size: widthOf, space: 28, values: numbers })],
      hooks: {
        draw: [(u) => drawMarks(u, this.view.marks)],
        setCursor: [() => this.showReading()],
        setSelect: [(u) => { this.isZoomed ||= u.select.width > 0; }],
        ready: [(u) => u.over.addEventListener("click", onClick)],
      },
    };
  }

  /** Show the values at the cursor, or the last ones. Without Preact, because of every mouse move. */
  showReading() {
    const { uplot: u, reading, view } = this;
    if (!u) return; // it is being created
    const at = u.cursor.idx == null ? null : u.data[0][u.cursor.idx];
    const values = reading.querySelectorAll("b");
    view.series.forEach((one, i) => {
      if (!values[i]) return;
      const index = at === null ? -1 : one.x.indexOf(at);
      const value = at === null ? lastOf(one.y) : index >= 0 ? one.y[index] : null;
      values[i].textContent = number(value);
    });
    const near = at === null ? [] : view.marks.filter((mark) => Math.abs(u.valToPos(mark.x, "x") - u.cursor.left) < MARK_PIXELS);
    const notes = near.map((mark) => visible(mark.label));
    if (at !== null) notes.unshift([placeText(at, view.options.axis), view.noteAt?.(at)].filter(Boolean).join(", "));
    reading.querySelector(".at").textContent = notes.join(" · ");
  }
}

/** @param {(number | null)[]} values */
function lastOf(values) {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return values[i];
  return null;
}

/** The range of an axis. A curve that is constant up to rounding is in its middle. */
function rangeOf(_u, low, high) {
  if (low === null || low === undefined) return [0, 1];
  const margin = Math.abs(low) / 2 || 1;
  return isClose(low, high) ? [low - margin, high + margin] : uPlot.rangeNum(low, high, 0.1, true);
}

/** One table for each line. Smoothing adds a faint raw line, a band two invisible lines. */
function layOut(series, options) {
  const tables = [];
  const drawn = [];
  const bands = [];
  const faint = resolve("--line-strong");
  for (const one of series) {
    const color = seriesColor(one.color);
    const drawable = (values) => (options.isLog ? values.map((y) => (y !== null && y > 0 ? y : null)) : values);
    const values = drawable(one.y);
    const isShort = values.length < 40;
    const line = {
      stroke: color,
      width: 1.6,
      dash: one.dashed ? [5, 4] : undefined,
      spanGaps: false,
      points: { show: (u, i) => u.data[i].filter((y) => y != null).length < 2 || (one.dashed && isShort), size: 5 },
    };
    if (options.smoothing > 0) {
      tables.push([one.x, smooth(values, options.smoothing)], [one.x, values]);
      drawn.push(line, { ...line, stroke: faint, width: 1, points: { show: false } });
    } else {
      tables.push([one.x, values]);
      drawn.push(line);
    }
    if (one.band) {
      tables.push([one.x, drawable(one.band[1])], [one.x, drawable(one.band[0])]);
      const count = drawn.length;
      drawn.push(...[0, 1].map(() => ({ stroke: "transparent", width: 0, points: { show: false } })));
      bands.push({ series: [count + 1, count + 2], fill: withAlpha(color, "20") });
    }
  }
  return { tables, drawn, bands };
}

/** @param {string} color @param {string} alpha Two hex digits. */
function withAlpha(color, alpha) {
  return /^#[0-9a-f]{6}$/i.test(color) ? color + alpha : color;
}

function axis(more) {
  return {
    stroke: resolve("--muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: resolve("--line"), width: 1 },
    ticks: { show: false },
    gap: 4,
    ...more,
  };
}

/** Labels with as many digits as they need to differ. */
function numbers(_u, values, _axis, _space, increment) {
  const largest = Math.max(...values.map((value) => Math.abs(value ?? 0)));
  const digits = Math.min(12, Math.ceil(Math.log10(largest / increment)) + 1);
  return values.map((value) => (value === null ? "" : number(value, Math.max(4, digits))));
}

/** The width that labels need, in pixels. */
function widthOf(_u, labels) {
  const longest = Math.max(0, ...(labels ?? []).map((label) => label.length));
  return Math.min(MAX_LABEL_PIXELS, Math.max(MIN_LABEL_PIXELS, longest * DIGIT_PIXELS + 12));
}

const X_LABELS = {
  step: numbers,
  time: clocks,
  elapsed: (_u, values) => values.map((value) => (value === null ? "" : duration(value))),
  tokens: (_u, values) => values.map((value) => (value === null ? "" : compact(value))),
};

/** Seconds since the epoch as times of day, or as days if the labels are that far apart. */
function clocks(_u, values, _axis, _space, increment) {
  const [from, to] = increment >= DAY_S ? [5, 10] : increment >= 60 ? [11, 16] : [11, 19];
  return values.map((value) => (value === null ? "" : localTime(value).slice(from, to)));
}

/** A time in ISO 8601, in the browser's time zone. @param {number} seconds */
function localTime(seconds) {
  return new Date(seconds * 1000).toLocaleString("sv-SE");
}

/** A place on the axis as text. @param {number} x @param {Options["axis"]} axisName */
function placeText(x, axisName) {
  if (axisName === "time") return localTime(x);
  if (axisName === "elapsed") return duration(x);
  return axisName === "tokens" ? `${compact(x)} tokens` : `step ${number(x)}`;
}

function drawMarks(u, marks) {
  const { ctx, bbox } = u;
  for (const mark of marks) {
    const x = Math.round(u.valToPos(mark.x, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = resolve(MARK_COLORS[mark.kind]);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(mark.kind === "attempt" ? [4, 4] : []);
    ctx.globalAlpha = 0.75;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (mark.kind !== "attempt") {
      const size = 5 * devicePixelRatio;
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top - size);
      ctx.lineTo(x + size, bbox.top - size);
      ctx.lineTo(x, bbox.top + size / 2);
      ctx.fill();
    }
    ctx.restore();
  }
}
