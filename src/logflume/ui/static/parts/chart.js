/** A chart: a title, the values at the cursor, and a plot of curves. */
import { seriesVariable } from "../lib/colors.js";
import { html, useEffect, useRef } from "../lib/dom.js";
import { visible } from "../lib/format.js";
import { Plot } from "./plot.js";

/** @typedef {import("./plot.js").Series} Series */
/** @typedef {import("./plot.js").Options} Options */
/** @typedef {import("./plot.js").Mark} Mark */
/** @typedef {import("./plot.js").View} View */

const MAX_READINGS = 4; // values shown without a legend

/** @type {Options} */
export const PLAIN = { smoothing: 0, isLog: false, axis: "step" };

/**
 * @param {Object} props
 * @param {string} props.name The metric.
 * @param {string} [props.title]
 * @param {Series[]} props.series
 * @param {Options} [props.options]
 * @param {Mark[]} [props.marks]
 * @param {string} [props.group] Charts of one group share the cursor.
 * @param {(x: number) => void} [props.onPick] Called with the x of the nearest point at a click.
 * @param {boolean} [props.hasLegend] Whether the series are named.
 * @param {(x: number) => string} [props.noteAt] A note about a place, such as the slowest rank.
 */
export function Chart({ name, title, series, options = PLAIN, marks = [], group, onPick, hasLegend = false, noteAt }) {
  const element = useRef(null);
  const reading = useRef(null);
  const plot = useRef(/** @type {Plot | null} */ (null));
  const shown = series.filter((one) => one.x.length);
  const view = useRef(/** @type {View} */ ({}));
  Object.assign(view.current, { series: shown, options, marks, group, onPick, noteAt });
  // New points update the plot, which keeps its zoom; a change of its kind draws a new one.
  const kind = JSON.stringify([options, group, shown.map(({ label, color, dashed, band }) => [label, color, dashed, Boolean(band)])]);
  const data = JSON.stringify([marks, shown]);
  useEffect(() => {
    if (!shown.length) return undefined;
    const drawn = new Plot(element.current, reading.current, view.current);
    plot.current = drawn;
    return () => {
      plot.current = null;
      drawn.destroy();
    };
  }, [kind]);
  useEffect(() => plot.current?.update(data), [data]);
  const text = visible(title ?? name);
  const read = hasLegend ? shown : shown.slice(0, MAX_READINGS);
  return html`<section class=${`panel chart ${hasLegend ? "named" : ""}`} data-metric=${name}>
    <header ref=${reading}>
      <h3 title=${visible(name)}>${text}</h3>
      <span class="at"></span>
      <div class="reading">${read.map((one) => readingOf(one, hasLegend ? one.label : read.length > 1 || one.dashed ? one.mode : undefined))}</div>
    </header>
    ${shown.length
      ? html`<div class="plot" key="plot" ref=${element} tabindex="0" role="application"
          aria-label=${`${text}: left and right move the cursor${onPick ? ", Enter opens the step" : ""}`}
          onKeyDown=${(event) => plot.current?.onKey(event)}></div>`
      : html`<div class="plot empty-plot" key="empty">no values yet</div>`}
  </section>`;
}

/** A series and the place of its value, which `showReading` fills. @param {Series} series @param {string} [name] */
function readingOf(series, name) {
  return html`<span key=${series.label} title=${visible(series.label)}>
    <i class=${series.dashed ? "dashed" : ""} style=${{ color: seriesVariable(series.color) }}></i>
    ${name && html`<span>${visible(name)}</span>`}
    <b></b>
  </span>`;
}
