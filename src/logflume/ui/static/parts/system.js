/** The system and GPU curves of a run: one chart for each measure, with a line for each GPU. */
import { useAnswer } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { Chart } from "./chart.js";
import { seriesOf } from "./curves.js";
import { ErrorLine } from "./states.js";

const MAX_LINES = 8;
const GIB = 2 ** 30;

/** Measures in order: a title, a pattern whose group names the line, and a divisor. */
const MEASURES = /** @type {[string, RegExp, number][]} */ ([
  ["GPU utilization, %", /^system\.gpu\/(\d+)\/utilization_percent$/, 1],
  ["GPU memory, GiB", /^system\.gpu\/(\d+)\/memory_used_bytes$/, GIB],
  ["GPU power, W", /^system\.gpu\/(\d+)\/power_watts$/, 1],
  ["GPU temperature, °C", /^system\.gpu\/(\d+)\/temperature_celsius$/, 1],
  ["torch memory, GiB", /^system\.torch\/(.+)_bytes$/, GIB],
  ["CPU, %", /^system\.(process_cpu|cpu)_percent$/, 1],
  ["memory, GiB", /^system\.(process_memory|memory_used)_bytes$/, GIB],
  ["free disk, GiB", /^system\.(disk_free)_bytes$/, GIB],
]);

/** @param {{run: string, names: string[], version: string, axis: import("../lib/axis.js").Axis, shared: any}} props */
export function System({ run, names, version, axis, shared }) {
  const [isOpen, setIsOpen] = useState(false);
  const wanted = names.filter((name) => MEASURES.some(([, pattern]) => pattern.test(name)));
  const { data, error } = useAnswer(isOpen && wanted.length ? "curves" : null, { run, name: wanted }, version);
  if (!wanted.length) return null;
  const hasGpus = wanted.some((name) => name.includes("gpu/"));
  return html`<details class="section" open=${isOpen} onToggle=${(event) => setIsOpen(event.currentTarget.open)} data-section="system">
    <summary><h2>${hasGpus ? "System and GPUs" : "System"}</h2></summary>
    <${ErrorLine} text=${error} />
    ${data && html`<div class="charts">${MEASURES.map(([title, pattern, unit]) => {
      const lines = wanted.filter((name) => pattern.test(name));
      const series = lines.slice(0, MAX_LINES).flatMap((name, i) => scaled(
        seriesOf(name, data.curves, { axis, color: i, label: labelOf(name, pattern) }), unit));
      return lines.length > 0 && html`<${Chart} key=${title} name=${lines[0]} series=${series} hasLegend=${lines.length > 1}
        title=${lines.length > MAX_LINES ? `${title}, the first ${MAX_LINES} of ${lines.length}` : title} ...${shared} />`;
    })}</div>`}
  </details>`;
}

function labelOf(name, pattern) {
  const [, which] = pattern.exec(name);
  return /^\d+$/.test(which) ? `GPU ${which}` : which.replaceAll("_", " ");
}

function scaled(series, unit) {
  return series.map((one) => ({ ...one, y: one.y.map((y) => (y === null ? null : y / unit)) }));
}
