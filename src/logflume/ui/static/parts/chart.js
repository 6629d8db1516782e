/** One chart: a title with the values at the cursor, and curves drawn by uPlot. */
import uPlot from "../vendor/uplot.js";
import { resolve, seriesColor, seriesVariable } from "../lib/colors.js";
import { html, useEffect, useRef } from "../lib/dom.js";
import { compact, duration, number, visible } from "../lib/format.js";

/**
 * @typedef {Object} Series
 * @property {string} label
 * @property {number} color Index of the colour.
 * @property {number[]} x
 * @property {(number | null)[]} y
 * @property {[(number | null)[], (number | null)[]]} [band] Its lower and its upper edge.
 * @property {boolean} [dashed]
 */

/**
 * @typedef {Object} Options
 * @property {number} smoothing From 0, none, to below 1.
 * @property {boolean} isLog
 * @property {import("../lib/axis.js").AxisName} axis
 */

/**
 * @typedef {Object} Mark A vertical line.
 * @property {number} x
 * @property {"attempt" | "info" | "warning" | "critical" | "part"} kind
 * @property {string} label
 */

const CLICK_PIXELS = 4;
const MARK_PIXELS = 6;
const MAX_READINGS = 4; // without their names; the others are seen at the curves
const MARK_COLORS = { attempt: "--muted", info: "--accent", warning: "--warning", critical: "--critical", part: "--text" };
const matchMediaDark = matchMedia("(prefers-color-scheme: dark)");

/**
 * @param {Object} props
 * @param {string} props.name The metric.
 * @param {string} [props.title]
 * @param {Series[]} props.series
 * @param {Options} props.options
 * @param {Mark[]} [props.marks]
 * @param {string} [props.group] Charts of one group share the cursor.
 * @param {(x: number) => void} [props.onPick] Is called with the x of the nearest point at a click.
 * @param {boolean} [props.hasLegend] Whether the series are named.
 * @param {(x: number) => string} [props.noteAt] What to say about a place, such as which rank it is.
 */
export function Chart({ name, title, series, options, marks = [], group, onPick, hasLegend = false, noteAt }) {
  const plotted = useRef(null);
  const reading = useRef(null);
  const pick = useRef(onPick);
  pick.current = onPick;
  const note = useRef(noteAt);
  note.current = noteAt;
  const shown = series.filter((one) => one.x.length);
  const key = JSON.stringify([options, marks, shown]);
  useEffect(() => {
    if (!shown.length) return undefined;
    const draw = () => plot(plotted.current, reading.current, shown, options, marks, group, pick, note);
    let current = draw();
    const redraw = () => {
      current.destroy();
      current = draw();
    };
    const observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = plotted.current ?? {};
      if (clientWidth) current.setSize({ width: clientWidth, height: clientHeight });
    });
    observer.observe(plotted.current);
    matchMediaDark.addEventListener("change", redraw);
    return () => {
      observer.disconnect();
      matchMediaDark.removeEventListener("change", redraw);
      current.destroy();
    };
  }, [key]);
  const text = visible(title ?? name);
  const read = hasLegend ? shown : shown.slice(0, MAX_READINGS);
  return html`<section class=${`panel chart ${hasLegend ? "named" : ""}`} data-metric=${name}>
    <header ref=${reading}>
      <h3 title=${visible(name)}>${text}</h3>
      <span class="at"></span>
      <div class="reading">${read.map((one) => readingOf(one, hasLegend))}</div>
    </header>
    ${shown.length
      ? html`<div class="plot" key="plot" ref=${plotted}></div>`
      : html`<div class="plot empty-plot" key="empty">no values yet</div>`}
  </section>`;
}

/** The place of a value; `showReading` fills it. @param {Series} series @param {boolean} isNamed */
function readingOf(series, isNamed) {
  return html`<span key=${series.label} title=${visible(series.label)}>
    <i class=${series.dashed ? "dashed" : ""} style=${{ color: seriesVariable(series.color) }}></i>
    ${isNamed && html`<span>${visible(series.label)}</span>`}
    <b></b>
  </span>`;
}

/** @param {(number | null)[]} values */
function lastOf(values) {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return values[i];
  return null;
}

/**
 * Smooth by an exponential moving average without the bias of its start, as TensorBoard does.
 * @param {(number | null)[]} values
 * @param {number} weight
 */
export function smooth(values, weight) {
  let mean = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean * weight + (1 - weight) * value;
    total = total * weight + (1 - weight);
    return mean / total;
  });
}

/** Draw the curves into an element, and return the plot. */
function plot(element, reading, series, options, marks, group, pick, note) {
  const { tables, drawn, bands } = layOut(series, options);
  const data = uPlot.join(tables);
  let down = null;
  /** @type {any} */
  const config = {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [8, 10, 0, 0],
    cursor: {
      sync: group ? { key: group, setSeries: false } : undefined,
      points: { size: 6 },
      drag: { x: true, y: false },
      bind: {
        mousedown: (_u, _t, handler) => (event) => {
          down = event.clientX;
          handler(event);
        },
      },
    },
    scales: { x: { time: options.axis === "time" }, y: options.isLog ? { distr: 3 } : { range: rangeOf } },
    axes: [axis({ size: 24, space: 60, values: X_LABELS[options.axis] }),
      axis({ size: 48, space: 28, values: numbers })],
    series: [{}, ...drawn],
    bands,
    hooks: {
      draw: [(u) => drawMarks(u, marks)],
      setCursor: [(u) => showReading(u, reading, series, options.axis, marks, note.current)],
      ready: [
        (u) =>
          u.over.addEventListener("click", (event) => {
            const isDrag = down !== null && Math.abs(event.clientX - down) > CLICK_PIXELS;
            if (!isDrag && pick.current && u.cursor.idx != null) {
              pick.current(u.data[0][u.cursor.idx]);
            }
          }),
      ],
    },
  };
  const drawnPlot = new uPlot(config, data, element);
  showReading(drawnPlot, reading, series, options.axis, marks, note.current);
  return drawnPlot;
}

/** The range of an axis; a curve that doesn't change is in its middle. */
function rangeOf(_u, low, high) {
  if (low === null || low === undefined) return [0, 1];
  const margin = Math.abs(low) / 2 || 1;
  return low === high ? [low - margin, high + margin] : uPlot.rangeNum(low, high, 0.1, true);
}

/** One table for each line. With smoothing, the raw line is faint; a band has two lines more. */
function layOut(series, options) {
  const tables = [];
  const drawn = [];
  const bands = [];
  const faint = resolve("--line-strong");
  for (const one of series) {
    const color = seriesColor(one.color);
    const values = options.isLog ? one.y.map((y) => (y !== null && y > 0 ? y : null)) : one.y;
    const isShort = values.length < 40;
    const line = {
      stroke: color,
      width: 1.6,
      dash: one.dashed ? [5, 4] : undefined,
      spanGaps: false,
      points: { show: values.filter((y) => y !== null).length < 2 || (one.dashed && isShort), size: 5 },
    };
    if (options.smoothing > 0) {
      tables.push([one.x, smooth(values, options.smoothing)], [one.x, values]);
      drawn.push(line, { ...line, stroke: faint, width: 1, points: { show: false } });
    } else {
      tables.push([one.x, values]);
      drawn.push(line);
    }
    if (one.band) {
      const edge = (values) => (options.isLog ? values.map((y) => (y !== null && y > 0 ? y : null)) : values);
      tables.push([one.x, edge(one.band[1])], [one.x, edge(one.band[0])]);
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

function numbers(_u, values) {
  return values.map((value) => (value === null ? "" : number(value)));
}

const X_LABELS = {
  step: numbers,
  time: undefined, // uPlot's dates
  elapsed: (_u, values) => values.map((value) => (value === null ? "" : duration(value))),
  tokens: (_u, values) => values.map((value) => (value === null ? "" : compact(value))),
};

/** A place on the axis as text. @param {number} x @param {Options["axis"]} axisName */
function placeText(x, axisName) {
  if (axisName === "time") return new Date(x * 1000).toLocaleString("sv-SE").slice(5, 19);
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

/** Show the values at the cursor, or the last ones. It happens at each move, so without Preact. */
function showReading(u, reading, series, axisName, marks, noteAt) {
  if (!reading) return;
  const at = u.cursor.idx == null ? null : u.data[0][u.cursor.idx];
  const values = reading.querySelectorAll("b");
  series.forEach((one, i) => {
    if (!values[i]) return;
    const index = at === null ? -1 : one.x.indexOf(at);
    const value = at === null ? lastOf(one.y) : index >= 0 ? one.y[index] : null;
    values[i].textContent = number(value);
  });
  const near = at === null ? [] : marks.filter((mark) => Math.abs(u.valToPos(mark.x, "x") - u.cursor.left) < MARK_PIXELS);
  const notes = near.map((mark) => visible(mark.label));
  if (at !== null) notes.unshift([placeText(at, axisName), noteAt?.(at)].filter(Boolean).join(", "));
  reading.querySelector(".at").textContent = notes.join(" · ");
}
