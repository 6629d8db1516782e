/** The list of runs: filter, sort, and select some to compare. */
import { get } from "../lib/api.js";
import { html, useEffect, useRef, useState } from "../lib/dom.js";
import { duration, number, plain, time, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Empty, ErrorLine, Status } from "../parts/states.js";

const COLUMNS = [
  ["run", "run", ""],
  ["status", "status", ""],
  ["started", "started", "wide-only"],
  ["last_step", "step", "number"],
  ["last_reward", "reward", "number"],
  ["duration_s", "took", "number wide-only"],
];

/** @param {{answer: {data: any, error: string | null}, query: Record<string, string>}} props */
export function Runs({ answer, query }) {
  const { data, error } = answer;
  const [selected, setSelected] = useState(/** @type {string[]} */ ([]));
  if (!data) return html`<${ErrorLine} text=${error} />`;
  if (!data.runs.length) {
    return html`<${Empty} title="There are no runs yet.">
      <p>Start a training run with logflume, or create an example run with <code>logflume demo</code>.
      New runs appear automatically.</p><//>`;
  }
  const sort = query.sort ?? "-started";
  const rows = order(data.runs.filter((run) => matches(run, query.filter ?? "")), sort);
  const names = data.differing;
  const hasTags = data.runs.some((run) => run.tags.length);
  const toggle = (run) =>
    setSelected(selected.includes(run) ? selected.filter((one) => one !== run) : [...selected, run]);
  const head = ([name, text, kind]) => html`<th class=${kind} key=${name}
    aria-sort=${sort === name ? "ascending" : sort === `-${name}` ? "descending" : undefined}>
    <button onClick=${() => setQuery({ sort: sort === `-${name}` ? name : `-${name}` })}
      >${visible(text)}${sort === name ? " ↑" : sort === `-${name}` ? " ↓" : ""}</button></th>`;
  return html`<div>
    <${ErrorLine} text=${error} />
    <div class="toolbar">
      <div class="grow"><input type="search" placeholder="Filter by name, status, tag, value"
        aria-label="Filter runs" value=${query.filter ?? ""}
        onInput=${(event) => setQuery({ filter: event.target.value })} /></div>
      <span class="muted">${rows.length === data.runs.length ? "" : `${rows.length} of `}${data.runs.length} ${data.runs.length === 1 ? "run" : "runs"}</span>
      ${selected.length >= 2
        ? html`<a href=${url(["compare"], { runs: selected.map(encodeURIComponent).join(",") })}
            ><button class="primary">Compare ${selected.length} runs</button></a>`
        : html`<span class="muted small">select two or more to compare</span>`}
    </div>
    <div class="panel scroll-x"><table class="runs">
      <thead><tr><th></th>${COLUMNS.map(head)}<th class="wide-only">reward by step</th>
        ${hasTags && html`<th class="wide-only">tags</th>`}
        ${names.map((name) => head([`hyperparameters/${name}`, name, "wide-only"]))}</tr></thead>
      <tbody>${rows.map((run) => html`<tr key=${run.run} data-run=${run.run}>
        <td><input type="checkbox" aria-label=${`select ${visible(run.run)}`}
          checked=${selected.includes(run.run)} onChange=${() => toggle(run.run)} /></td>
        <td><a class="name" href=${url(["run", run.run])}>${visible(run.run)}</a>
          ${run.notes && html`<div class="muted small clip">${visible(run.notes)}</div>`}
          ${run.rank_note && html`<div class="small muted clip">${visible(run.rank_note)}</div>`}
          ${run.error && html`<div class="small muted clip" title=${visible(run.error)}>${visible(run.error)}</div>`}</td>
        <td><${Status} status=${run.status} /></td>
        <td class="muted nowrap wide-only">${time(run.started)}</td>
        <td class="number">${number(run.last_step)}</td>
        <td class="number">${number(run.last_reward)}</td>
        <td class="number muted nowrap wide-only">${duration(run.duration_s)}</td>
        <td class="wide-only">${run.last_step !== null && html`<${Spark} run=${run.run} version=${run.last_step} />`}</td>
        ${hasTags && html`<td class="wide-only">${run.tags.map((tag) => html`<span class="chip" key=${tag}>${visible(tag)}</span> `)}</td>`}
        ${names.map((name) => html`<td key=${name} class="setting wide-only"
          title=${plain(run.hyperparameters[name])}>${plain(run.hyperparameters[name])}</td>`)}
      </tr>`)}</tbody>
    </table></div>
  </div>`;
}

function matches(run, filter) {
  const text = JSON.stringify([run.run, run.status, run.tags, run.notes, run.hyperparameters]).toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function order(runs, sort) {
  const name = sort.replace(/^-/, "");
  const value = (run) =>
    name.startsWith("hyperparameters/") ? run.hyperparameters[name.slice(16)] : run[name];
  const sign = sort.startsWith("-") ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    // Runs without a value are last in either order.
    if (x === null || x === undefined) return y === null || y === undefined ? 0 : 1;
    if (y === null || y === undefined) return -1;
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
  });
}

/** The reward as a line, which is requested once its row is visible. */
function Spark({ run, version }) {
  const element = useRef(null);
  const [path, setPath] = useState("");
  useEffect(() => {
    const aborter = new AbortController();
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      observer.disconnect();
      get("curves", { run, name: ["reward", "rewards/total/mean"] }, aborter.signal).then(
        ({ curves }) => setPath(draw(curves.reward?.train ?? curves["rewards/total/mean"]?.train)),
        () => {}, // the row of a damaged run says so
      );
    });
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      aborter.abort();
    };
  }, [run, version]);
  return html`<svg class="spark" ref=${element} viewBox="0 0 100 20" preserveAspectRatio="none"
    role="img" aria-label="reward"><path d=${path} /></svg>`;
}

function draw(curve) {
  const points = (curve?.[1] ?? []).filter((value) => value !== null);
  const low = Math.min(...points);
  const height = Math.max(...points) - low || 1;
  return points
    .map((y, i) => `${i ? "L" : "M"}${(i / Math.max(1, points.length - 1)) * 100},${19 - ((y - low) / height) * 18}`)
    .join("");
}
