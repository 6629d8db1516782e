/** The prompts of a run: which were learned or forgotten, and each visit as a cell at its step. */
import { useAnswer } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { ModeSwitch } from "../parts/mode_switch.js";
import { PassAt } from "../parts/pass_at.js";
import { PromptMap } from "../parts/prompt_map.js";
import { SearchBox } from "../parts/search_box.js";
import { SolvedFrom, Unmeasured } from "../parts/solved_from.js";
import { Empty, ErrorLine } from "../parts/states.js";
import { measureOf, visitText } from "../parts/visit_measure.js";

const PAGE = 100;
const MAP = 2_000; // rows of the map, as many as an answer has
const CHANGES = [
  ["", "all", "all prompts"],
  ["newly_solved", "newly solved", "no completion of the first visit solved it, but some of the latest do"],
  ["forgotten", "forgotten", "some completion solved it, but none of the latest visit does"],
  ["never", "never solved", "no completion of any visit solved it"],
  ["always", "always solved", "some completion of each visit solved it"],
];
const ORDERS = {
  "-visits": "most visits",
  first_step: "first seen",
  solve_rate: "least solved",
  "-solve_rate": "most solved",
  "-gained": "most gained",
  "-lost": "most lost",
};
/** The initial order of a list. */
const ORDER_OF = { forgotten: "-lost", newly_solved: "-gained" };

/** @param {{run: string, query: Record<string, string>, version: string}} props */
export function Prompts({ run, query, version }) {
  const isMap = query.view === "map";
  const offset = Number(query.offset ?? 0);
  const order = query.sort ?? ORDER_OF[query.change] ?? "-visits";
  const { first, last, change, solved, mode } = query;
  const { data, error } = useAnswer("prompts", {
    run, first, last, change, solved, mode, search: query.search, order,
    ...(isMap ? { limit: MAP } : { limit: PAGE, offset }),
  }, version);
  if (error) return html`<${ErrorLine} text=${error} />`;
  if (!data) return html`<p class="muted">Reading the prompts …</p>`;
  if (data.unmeasured) return html`<${Unmeasured} of=${data.unmeasured} query=${query} />`;
  if (!data.all) {
    return html`<${Empty} title="No prompts were recorded.">
      <p><code>logflume.training.attach(trainer)</code> records them with their completions.</p><//>`;
  }
  const rows = data.prompts;
  const measure = measureOf(data);
  const until = (isMap ? 0 : offset) + rows.length;
  return html`<div>
    ${query.solved && html`<${SolvedFrom} query=${query} />`}
    <${Controls} query=${query} data=${data} order=${order} isMap=${isMap} measure=${measure} />
    ${rows.length === 0 && html`<${Empty} title="No prompt matches.">
      <p>Choose another list, or other steps to compare.</p><//>`}
    ${data.count > rows.length && html`<p class="muted">Prompts ${number(until - rows.length + 1)} to ${number(until)} of ${number(data.count)}${isMap ? ", the most that the map shows; the order decides which." : "."}</p>`}
    ${rows.length > 0 && (isMap
      ? html`<${PromptMap} run=${run} prompts=${rows} span=${data.span} measure=${measure} link=${{ solved, mode }} />`
      : html`<${List} run=${run} rows=${rows} span=${data.span} measure=${measure} isBetween=${Boolean(first && last)} link=${{ solved, mode }} />`)}
    ${!isMap && (offset > 0 || until < data.count) && html`<p class="row"><button disabled=${offset <= 0}
        onClick=${() => setQuery({ offset: Math.max(0, offset - PAGE) || "" })}>‹ previous</button>
      <button disabled=${until >= data.count} onClick=${() => setQuery({ offset: offset + PAGE })}>next ›</button></p>`}
    ${rows.length > 0 && html`<${PassAt} run=${run} query=${query} version=${version} most=${data.largest} />`}
  </div>`;
}

function Controls({ query, data, order, isMap, measure }) {
  const isBetween = Boolean(query.first && query.last);
  const step = (name, label) => html`<input type="number" aria-label=${label} placeholder="step" value=${query[name] ?? ""}
    onChange=${(event) => setQuery({ [name]: event.target.value, offset: "" })} />`;
  return html`<div>
    <div class="toolbar">
      <span class="segments" role="group" aria-label="Lists">${CHANGES.map(([name, label, title]) => html`<button key=${name} title=${title} data-change=${name || "all"}
        aria-pressed=${(query.change ?? "") === name} onClick=${() => setQuery({ change: name, offset: "" })}>${label} <b>${number(name ? (data.counts[name] ?? 0) : data.all)}</b></button>`)}</span>
      <${ModeSwitch} modes=${data.modes} mode=${data.mode} reset=${{ offset: "" }} />
      <span class="segments" role="group" aria-label="View"><button aria-pressed=${!isMap} onClick=${() => setQuery({ view: "" })}>list</button>
        <button aria-pressed=${isMap} onClick=${() => setQuery({ view: "map", offset: "" })}>map</button></span>
      <label>order <select aria-label="Order" value=${order} onChange=${(event) => setQuery({ sort: event.target.value, offset: "" })}>
        ${Object.entries(ORDERS).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}</select></label>
      <div class="grow"><${SearchBox} value=${query.search ?? ""} placeholder="Text in prompts" label="Filter prompts"
        onChange=${(text) => setQuery({ search: text, offset: "" })} /></div>
      <span class="legend">${measure.title} ${measure.text(measure.low)} <i></i> ${measure.text(measure.high)}</span>
    </div>
    <p class="muted small row">${isBetween
      ? "Compared: the latest visit up to the first of these steps, and the latest visit after it up to the second."
      : "Forgotten: solved at an earlier visit, but not at the latest. Newly solved: solved at the latest visit, but not at the first."}
      <label>compare step ${step("first", "First step")} with ${step("last", "Last step")}</label>
      ${isBetween && html`<button class="plain" onClick=${() => setQuery({ first: "", last: "" })}>whole run</button>`}</p>
  </div>`;
}

function List({ run, rows, span, measure, isBetween, link }) {
  const [before, after, title] = isBetween ? ["before", "after", "before → after"] : ["first", "latest", "first → latest"];
  return html`<div class="panel scroll-x"><table>
    <thead><tr><th>prompt</th><th class="number">visits</th><th class="number">solved</th><th class="number">${title}</th><th class="number wide-only">best</th>
      <th class="number wide-only">reward</th><th class="wide-only" style=${{ width: "34%" }}>visits, steps ${number(span[0])} to ${number(span[1])}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr class="prompt-row" key=${row.prompt_id} data-prompt=${row.prompt_id}>
      <td><a class="question" dir="auto" href=${url(["run", run, "prompt", row.prompt_id], link)}>${visible(row.question ?? row.prompt_id)}</a></td>
      <td class="number">${number(row.visits)}</td>
      <td class="number">${percent(row.solve_rate)}</td>
      <td class="number nowrap muted">${row.visits > 1 || isBetween ? `${percent(row[before])} → ${percent(row[after])}` : "–"}</td>
      <td class="number wide-only muted">${percent(row.best)}</td>
      <td class="number wide-only">${number(row.reward_mean)}</td>
      <td class="wide-only"><${Visits} seen=${row.seen} span=${span} measure=${measure} /></td>
    </tr>`)}</tbody></table></div>`;
}

/** Each visit as a cell at its step, in the colour of its measure. */
function Visits({ seen, span, measure }) {
  const size = span[1] - span[0] + 1;
  const width = Math.max(100 / size, 0.7);
  return html`<svg class="visits" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="visits">
    <rect x="0" y="4.6" width="100" height="0.8" style=${{ fill: "var(--line)" }} />
    ${seen.filter(([step]) => step !== null).map((visit, i) => html`<rect key=${i}
      x=${((visit[0] - span[0]) / size) * 100} y="0" width=${width * 0.9} height="10"
      style=${{ fill: rewardColor(measure.of(visit), measure.low, measure.high) }}><title>${visitText(visit)}</title></rect>`)}
  </svg>`;
}
