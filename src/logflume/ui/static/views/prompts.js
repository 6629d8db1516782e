/** The prompts of a run: what was learned, what was forgotten, and each visit as a cell in time. */
import { useAnswer } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html, useState } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { Empty, ErrorLine } from "../parts/states.js";

const PAGE = 100;
const CHANGES = [
  ["", "all"],
  ["newly_solved", "newly solved"],
  ["forgotten", "forgotten"],
  ["never", "never solved"],
  ["always", "always solved"],
];
const ORDERS = {
  first_step: "first seen",
  "-visits": "most visits",
  solve_rate: "least solved",
  "-solve_rate": "most solved",
  "-change": "largest change",
};

/** @param {{run: string, query: Record<string, string>, version: string, summary: any}} props */
export function Prompts({ run, query, version, summary }) {
  const last = query.last ?? summary?.last_step;
  const first = query.first ?? (typeof last === "number" ? Math.max(1, Math.round(last / 2)) : undefined);
  const solved = query.solved;
  const isKnown = summary !== null;
  const { data, error } = useAnswer(isKnown ? "prompts" : null, { run, first, last, solved }, version);
  const [limit, setLimit] = useState(PAGE);
  if (error) return html`<div><${ErrorLine} text=${error} /><${SolvedFrom} query=${query} /></div>`;
  if (!data) return null;
  if (!data.prompts.length) {
    return html`<${Empty} title="No prompts were recorded.">
      <p><code>logflume.training.attach(trainer)</code> records them with their completions.</p><//>`;
  }
  const counts = Object.fromEntries(CHANGES.map(([name]) => [name, data.prompts.filter((row) => !name || row.change === name).length]));
  const rows = data.prompts.filter((row) => !query.change || row.change === query.change);
  const shown = order(rows.filter((row) => matches(row, query.filter)), query.sort ?? "-visits");
  const seen = data.prompts.flatMap((row) => row.seen);
  const rewards = seen.map((visit) => visit[2]).filter((reward) => typeof reward === "number");
  const range = { low: Math.min(...rewards), high: Math.max(...rewards) };
  const steps = seen.map((visit) => visit[0]).filter((step) => step !== null);
  const span = [Math.min(...steps), Math.max(...steps)];
  return html`<div>
    <div class="toolbar">
      <span class="segments">${CHANGES.map(([name, label]) => html`<button key=${name} data-change=${name || "all"}
        aria-pressed=${(query.change ?? "") === name} onClick=${() => setQuery({ change: name })}>${label} ${counts[name]}</button>`)}</span>
      <label>from step <input type="number" aria-label="First step" value=${first} onChange=${(event) => setQuery({ first: event.target.value })} /></label>
      <label>to step <input type="number" aria-label="Last step" value=${last} onChange=${(event) => setQuery({ last: event.target.value })} /></label>
      <label>order <select aria-label="Order" value=${query.sort ?? "-visits"} onChange=${(event) => setQuery({ sort: event.target.value })}>
        ${Object.entries(ORDERS).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}</select></label>
      <div class="grow"><input type="search" placeholder="Filter prompts" aria-label="Filter prompts" value=${query.filter ?? ""}
        onInput=${(event) => setQuery({ filter: event.target.value })} /></div>
      <span class="legend">mean reward ${number(range.low)} <i></i> ${number(range.high)}</span>
    </div>
    <p class="muted small">Compared are the latest visit of each prompt up to step ${number(Number(first))} and the latest one after it, up to step ${number(Number(last))}.
      A prompt that was not visited both times has no change.</p>
    ${data.count > data.prompts.length && html`<p class="notice">The first ${data.prompts.length} of ${data.count} prompts.</p>`}
    ${shown.length === 0 && html`<${Empty} title="No prompt is like that between these steps." />`}
    ${shown.length > 0 && html`<div class="panel scroll-x"><table>
      <thead><tr><th>prompt</th><th class="number">visits</th><th class="number">solved</th><th class="number wide-only">${query.change ? "before → after" : "first → latest"}</th>
        <th class="number wide-only">reward</th><th class="wide-only" style=${{ width: "38%" }}>visits, steps ${number(span[0])} to ${number(span[1])}</th></tr></thead>
      <tbody>${shown.slice(0, limit).map((row) => html`<tr class="prompt-row" key=${row.prompt_id} data-prompt=${row.prompt_id}>
        <td><a class="question" dir="auto" href=${url(["run", run, "prompt", row.prompt_id], { solved })}>${visible(row.question ?? row.prompt_id)}</a></td>
        <td class="number">${row.visits}</td>
        <td class="number">${percent(row.solve_rate)}</td>
        <td class="number nowrap muted wide-only">${percent(query.change ? row.before : row.first)} → ${percent(query.change ? row.after : row.latest)}</td>
        <td class="number wide-only">${number(row.reward_mean)}</td>
        <td class="wide-only"><${Visits} run=${run} seen=${row.seen} span=${span} range=${range} /></td>
      </tr>`)}</tbody></table></div>`}
    ${shown.length > limit && html`<p><button onClick=${() => setLimit(limit + 4 * PAGE)}>Show more of ${shown.length}</button></p>`}
    <${PassAt} run=${run} query=${query} version=${version} prompts=${data.prompts} />
  </div>`;
}

/** Each visit as a cell at its step, in the colour of its mean reward. */
function Visits({ seen, span, range }) {
  const size = span[1] - span[0] + 1;
  const width = Math.max(100 / size, 0.7);
  return html`<svg class="visits" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="visits">
    <rect x="0" y="4.6" width="100" height="0.8" style=${{ fill: "var(--line)" }} />
    ${seen.filter(([step]) => step !== null).map(([step, mode, reward, rate], i) => html`<rect key=${i}
      x=${((step - span[0]) / size) * 100} y=${mode === "eval" ? 2.5 : 0} width=${width * 0.9} height=${mode === "eval" ? 5 : 10}
      style=${{ fill: rewardColor(reward, range.low, range.high) }}><title>${`step ${step}, ${mode}: mean reward ${number(reward)}, solved ${percent(rate)}`}</title></rect>`)}
  </svg>`;
}

/** What k tries reach. */
function PassAt({ run, query, version, prompts }) {
  const most = Math.max(...prompts.map((row) => Math.round(row.completions / row.visits)));
  const k = query.k ?? (most >= 4 ? 4 : most);
  const one = useAnswer("pass_at", { run, k: 1, solved: query.solved }, version);
  const more = useAnswer(Number(k) > 1 ? "pass_at" : null, { run, k, solved: query.solved }, version);
  const rows = (answer) => answer.data?.pass_at ?? [];
  const line = (list, label, color, mode) => {
    const of = list.filter((row) => row.mode === mode && row.step !== null);
    return { label, color, dashed: mode === "eval", x: of.map((row) => row.step), y: of.map((row) => row.value) };
  };
  if (!rows(one).length) return null;
  return html`<div><h2>What k tries reach</h2>
    <div class="row"><label>k <input type="number" min="1" max=${most} value=${k} aria-label="k" onChange=${(event) => setQuery({ k: event.target.value })} /></label>
      <span class="muted small">the probability that one of k completions solves its prompt, for each step</span></div>
    <${ErrorLine} text=${more.error} />
    <div class="charts" style=${{ marginTop: "8px" }}>${["train", "eval"].filter((mode) => rows(one).some((row) => row.mode === mode)).map((mode) => html`<${Chart}
      key=${mode} name=${`pass@k ${mode}`} title=${mode === "eval" ? "pass@k, evaluation" : "pass@k"} options=${{ smoothing: 0, isLog: false, axis: "step" }}
      series=${[line(rows(one), "pass@1", 0, mode), line(rows(more), `pass@${k}`, 1, mode)]} />`)}</div></div>`;
}

/** @param {{query: Record<string, string>}} props */
export function SolvedFrom({ query }) {
  return html`<p><label>A completion solves its prompt from a reward of
    <input type="number" step="any" value=${query.solved ?? ""} aria-label="Solved from" onChange=${(event) => setQuery({ solved: event.target.value })} /></label></p>`;
}

function matches(row, filter) {
  return !filter || `${row.question} ${row.prompt_id}`.toLowerCase().includes(filter.toLowerCase());
}

function order(rows, sort) {
  const change = (row) => Math.abs((row.after ?? 0) - (row.before ?? 0));
  const by = {
    "-visits": (a, b) => b.visits - a.visits || a.first_step - b.first_step,
    solve_rate: (a, b) => a.solve_rate - b.solve_rate,
    "-solve_rate": (a, b) => b.solve_rate - a.solve_rate,
    "-change": (a, b) => change(b) - change(a),
  };
  return by[sort] ? [...rows].sort(by[sort]) : rows;
}
