/** The durations of a run's ranks as a band from the fastest to the slowest rank. */
import { useAnswer } from "../lib/api.js";
import { html, useMemo } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { Chart } from "./chart.js";
import { onAxis } from "./curves.js";
import { ErrorLine } from "./states.js";

const MEASURES = [
  ["busy_s", "generation and rewards, s"],
  ["generate_s", "generation, s"],
  ["rewards_s", "reward functions, s"],
  ["wait_s", "waiting for other ranks, s"],
];
const NAMED = 4;

/** @param {{run: string, version: string, axis: import("../lib/axis.js").Axis, shared: any}} props */
export function Ranks({ run, version, axis, shared }) {
  const { data, error } = useAnswer("ranks", { run }, version);
  const rows = data?.ranks ?? [];
  const slowestAt = useMemo(
    () => new Map(rows.map((row) => [axis.of(row.step), row.slowest === null ? "" : `slowest: ${nameOf(row)}`])),
    [data, axis],
  );
  if (!data) return html`<${ErrorLine} text=${error} />`;
  const busy = rows.filter((row) => row.slowest !== null);
  const shown = MEASURES.filter(([name]) => rows.some((row) => row[`${name}/median`] !== null));
  // A single rank has no others to compare with.
  if (!shown.length || !rows.some((row) => row.ranks > 1)) return null;
  return html`<section class="section" data-section="ranks">
    <h2>Ranks</h2>
    ${busy.length > 0 && html`<${Slowest} rows=${busy} />`}
    <div class="charts">${shown.map(([name, title]) => html`<${Chart} key=${name} name=${`ranks ${name}`} title=${title}
      series=${[band(name, rows, axis)]} noteAt=${(x) => slowestAt.get(x) ?? ""} ...${shared} />`)}</div>
    <p class="muted small">The line is the median of the ranks. The band extends from the fastest to the slowest.</p>
  </section>`;
}

/** Which ranks were the slowest most often, and by how much. */
function Slowest({ rows }) {
  const times = new Map();
  for (const row of rows) {
    const name = nameOf(row);
    const lag = row["busy_s/median"] ? row["busy_s/max"] / row["busy_s/median"] - 1 : 0;
    const [count, lags] = times.get(name) ?? [0, 0];
    times.set(name, [count + 1, lags + lag]);
  }
  const order = [...times].sort((a, b) => b[1][0] - a[1][0]);
  return html`<p>The slowest: ${order.slice(0, NAMED).map(([name, [count, lags]], i) => html`<span key=${name}>${i ? ", " : ""}<b>${name}</b>
      <span class="muted"> in ${count} of ${rows.length} steps (${percent(lags / count)} over the median)</span></span>`)}
    ${order.length > NAMED && html`<span class="muted"> and ${order.length - NAMED} others</span>`}.</p>`;
}

function nameOf(row) {
  return `rank ${number(row.slowest)}${row.slowest_host ? ` on ${visible(row.slowest_host)}` : ""}`;
}

function band(name, rows, axis) {
  const values = (fold) => rows.map((row) => row[`${name}/${fold}`]);
  return onAxis(axis, {
    label: "median of the ranks", color: 0, x: rows.map((row) => row.step), y: values("median"), band: [values("min"), values("max")],
  });
}
