/** A run: the curves that matter first, the others by name, and what it was started with. */
import { useAnswer } from "../lib/api.js";
import { html, useMemo, useState } from "../lib/dom.js";
import { duration, number, plain, time, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { CurveControls, useCurveOptions } from "../parts/curve_controls.js";
import { ownCharts, seriesOf, titleOf } from "../parts/curves.js";
import { Empty, ErrorLine, Status } from "../parts/states.js";

const MAX_FOUND = 18;

/** @param {{run: string, query: Record<string, string>, version: string, summary: any}} props */
export function Run({ run, query, version, summary }) {
  const [options, change] = useCurveOptions();
  const main = useAnswer("curves", { run }, version);
  const times = useAnswer(options.axis === "time" ? "times" : null, { run }, version);
  const alerts = useAnswer("alerts", { run }, version);
  const steps = options.axis === "step" || !times.data;
  const byStep = useMemo(
    () => (steps ? null : new Map(times.data.steps.map((step, i) => [step, times.data.times[i]]))),
    [steps, times.data],
  );
  const marks = [
    ...(alerts.data?.alerts ?? []).map((alert) => ({ x: alert.step, kind: "alert" })),
    ...(summary?.attempts ?? []).map((attempt) => ({ x: attempt.step, kind: "attempt" })),
  ]
    .map((mark) => ({ ...mark, x: byStep ? byStep.get(mark.x) : mark.x }))
    .filter((mark) => typeof mark.x === "number");
  const onPick = (x) => {
    const step = byStep ? [...byStep].find(([, at]) => at === x)?.[0] : x;
    if (step !== undefined) location.hash = url(["run", run, "completions"], { step });
  };
  const shared = { options: { ...options, axis: steps ? "step" : "time" }, marks, onPick, group: "run" };
  const names = main.data?.names ?? [];
  return html`<div>
    <${Head} run=${run} summary=${summary} count=${alerts.data?.alerts.length ?? 0} />
    <${ErrorLine} text=${main.error ?? times.error} />
    ${main.data && !names.length && html`<${Empty} title="No step has been logged yet.">
      <p>The curves appear with the first step.</p><//>`}
    ${names.length > 0 && html`<div>
      <div class="toolbar">
        <${CurveControls} options=${options} onChange=${change} />
        <div class="grow"><input type="search" placeholder=${`Search ${names.length} metrics`}
          aria-label="Search metrics" value=${query.metric ?? ""}
          onInput=${(event) => setQuery({ metric: event.target.value })} /></div>
        <span class="muted small wide-only">click a point: the completions of its step · drag: zoom · double-click: back</span>
      </div>
      <${Found} run=${run} names=${names} search=${query.metric ?? ""} version=${version}
        times=${byStep} shared=${shared} />
      <div class="charts">${ownCharts(main.data.main).map((name) => html`<${Chart} key=${name}
        name=${name} title=${titleOf(name)}
        series=${seriesOf(name, main.data.curves, { times: byStep })} ...${shared} />`)}</div>
    </div>`}
    ${summary?.ranks.length > 1 && html`<${Ranks} run=${run} version=${version} shared=${shared} />`}
    <${Names} names=${names} main=${main.data?.main ?? []} />
    <${Facts} summary=${summary} />
  </div>`;
}

/** @param {{run: string, summary: any, count: number}} props */
function Head({ run, summary, count }) {
  if (!summary) return html`<h1>${visible(run)}</h1>`;
  return html`<div>
    <div class="row"><h1>${visible(run)}</h1><${Status} status=${summary.status} />
      ${summary.tags.map((tag) => html`<span class="chip" key=${tag}>${visible(tag)}</span>`)}
      ${count > 0 && html`<a class="chip warning" href=${url(["run", run, "findings"])}
        >${count} ${count === 1 ? "finding" : "findings"}</a>`}</div>
    <div class="facts">
      <span>step <b>${number(summary.last_step)}</b></span>
      <span>started <b>${time(summary.started)}</b></span>
      ${summary.duration_s !== null && html`<span>took <b>${duration(summary.duration_s)}</b></span>`}
      ${summary.attempt > 0 && html`<span>attempt <b>${summary.attempt}</b></span>`}
      ${summary.ranks.length > 1 && html`<span><b>${summary.ranks.length}</b> ranks</span>`}
      ${summary.host && html`<span>on <b>${visible(summary.host)}</b></span>`}
    </div>
    ${summary.notes && html`<p>${visible(summary.notes)}</p>`}
    ${summary.exception && html`<p class="error">${visible(summary.exception)}</p>`}
    ${summary.faults.map((fault, i) => html`<p class="notice" key=${i}>${
      visible(fault.message ?? fault.reason ?? "the pipeline reported a fault")}</p>`)}
  </div>`;
}

/** The curves whose names contain what was searched for. */
function Found({ run, names, search, version, times, shared }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length
    ? names.filter((name) => words.every((word) => name.toLowerCase().includes(word)))
    : [];
  const shown = found.slice(0, MAX_FOUND);
  const { data, error } = useAnswer(shown.length ? "curves" : null, { run, name: shown }, version);
  if (!words.length) return null;
  return html`<div>
    <h2>${found.length ? `${found.length} metrics contain “${visible(search)}”` : `No metric contains “${visible(search)}”`}
      ${found.length > MAX_FOUND && html`<span class="muted"> – the first ${MAX_FOUND}</span>`}</h2>
    <${ErrorLine} text=${error} />
    <div class="charts">${data && shown.map((name) => html`<${Chart} key=${name} name=${name}
      series=${seriesOf(name, data.curves, { times })} ...${shared} />`)}</div>
    ${found.length > 0 && html`<h2>Main curves</h2>`}
  </div>`;
}

/** Ranks as a band from the fastest to the slowest, which is named. */
function Ranks({ run, version, shared }) {
  const { data, error } = useAnswer("ranks", { run }, version);
  if (!data) return html`<${ErrorLine} text=${error} />`;
  const rows = data.ranks.filter((row) => row["busy_s/median"] !== null);
  if (!rows.length) return null;
  const slowest = new Map();
  for (const row of rows) slowest.set(row.slowest, (slowest.get(row.slowest) ?? 0) + 1);
  const [[rank, times]] = [...slowest].sort((a, b) => b[1] - a[1]);
  const host = rows.find((row) => row.slowest === rank)?.slowest_host;
  const x = rows.map((row) => row.step);
  const line = (name, label, color) => ({ label, color, x, y: rows.map((row) => row[name]) });
  return html`<div>
    <h2>Ranks</h2>
    <p class="muted">Rank ${number(rank)}${host ? ` on ${visible(host)}` : ""} was the slowest in ${times} of ${rows.length} steps.</p>
    <div class="charts"><${Chart} name="busy_s" title="generation and rewards, s: fastest, median, slowest rank"
      series=${[line("busy_s/min", "fastest", 2), line("busy_s/median", "median", 0), line("busy_s/max", "slowest", 1)]}
      ...${{ ...shared, options: { ...shared.options, axis: "step" } }} /></div>
  </div>`;
}

/** All other metrics by name. */
function Names({ names, main }) {
  const others = names.filter((name) => !main.includes(name));
  if (!others.length) return null;
  return html`<details><summary><h2>${others.length} more metrics</h2></summary>
    <div class="names">${others.map((name) => html`<button class="plain" key=${name}
      title=${visible(name)} onClick=${() => {
        setQuery({ metric: name });
        scrollTo({ top: 0 });
      }}>${visible(name)}</button>`)}</div></details>`;
}

/** Hyperparameters, versions, command, and messages. */
function Facts({ summary }) {
  const [search, setSearch] = useState("");
  if (!summary) return null;
  const settings = Object.entries(summary.hyperparameters).filter(
    ([name, value]) => value !== null && `${name} ${value}`.toLowerCase().includes(search.toLowerCase()),
  );
  const about = {
    command: summary.command,
    "git commit": summary.git_commit,
    host: summary.host,
    ...summary.versions,
  };
  return html`<div>
    ${Object.keys(summary.hyperparameters).length > 0 && html`<div>
      <div class="row heading"><h2>Hyperparameters</h2><input type="search" style=${{ width: "180px" }}
        placeholder="Filter" aria-label="Filter hyperparameters" value=${search}
        onInput=${(event) => setSearch(event.target.value)} /></div>
      <dl class="settings panel pad">${settings.map(setting)}</dl></div>`}
    <h2>Started with</h2>
    <dl class="settings panel pad">${Object.entries(about).filter(([, value]) => value).map(setting)}</dl>
    ${summary.messages.length > 0 && html`<div>
      <h2>Messages${summary.messages_omitted ? `, the last ${summary.messages.length} of ${summary.messages.length + summary.messages_omitted}` : ""}</h2>
      <div class="panel messages"><table><tbody>${summary.messages.map((message, i) => html`<tr key=${i}>
        <td class="muted nowrap">${time(message.timestamp)}</td>
        <td><span class=${`chip ${message.level === "warning" ? "warning" : message.level === "error" ? "critical" : ""}`}>${visible(message.level)}</span></td>
        <td><pre>${visible(message.message)}</pre></td></tr>`)}</tbody></table></div></div>`}
  </div>`;
}

function setting([name, value]) {
  return html`<div key=${name}><dt>${visible(name)}</dt><dd>${plain(value)}</dd></div>`;
}
