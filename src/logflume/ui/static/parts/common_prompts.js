/** The prompts that runs share, and one of them with a completion of two runs. */
import { useAnswer } from "../lib/api.js";
import { seriesVariable } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "./chart.js";
import { Unmeasured } from "./solved_from.js";
import { ErrorLine } from "./states.js";
import { Pair, VISIT_CURVES, chosenPair, ofMode, visitSeries, visitsOf } from "./visits.js";

const SHOWN = 15;

/** @param {{runs: string[], query: Record<string, string>, version: string | null}} props */
export function CommonPrompts({ runs, query, version }) {
  const { data, error } = useAnswer(version === null ? null : "common_prompts", { run: runs, solved: query.solved }, version);
  if (error) return html`<section class="section"><h2>The same prompts</h2><${ErrorLine} text=${error} /></section>`;
  if (!data) return null;
  if (data.unmeasured) return html`<section class="section"><h2>The same prompts</h2><${Unmeasured} of=${data.unmeasured} query=${query} /></section>`;
  if (!data.count) return html`<section class="section"><h2>The same prompts</h2><p class="muted">No prompt is in more than one of these runs.</p></section>`;
  const rows = query.more ? data.prompts : data.prompts.slice(0, SHOWN);
  return html`<section class="section" data-section="common-prompts">
    <h2>The same prompts <span class="muted">– ${number(data.count)} are in more than one run, the largest difference first</span></h2>
    ${query.prompt && html`<${SamePrompt} runs=${runs} prompt=${query.prompt} query=${query} version=${version} />`}
    <div class="panel scroll-x"><table><thead><tr><th>prompt</th>${runs.map((run, i) => html`<th class="number" key=${run}><i class="swatch" style=${{ background: seriesVariable(i) }}></i> ${visible(run)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.prompt_id} class="prompt-row" data-prompt=${row.prompt_id} aria-current=${row.prompt_id === query.prompt ? "true" : undefined}>
        <td><button class="plain question" dir="auto" onClick=${() => setQuery({ prompt: row.prompt_id, a: "", ai: "", b: "", bi: "" })}>${visible(row.question ?? row.prompt_id)}</button></td>
        ${runs.map((run) => html`<td class="number nowrap" key=${run} title=${row.runs[run] ? `${row.runs[run].visits} visits, mean reward ${number(row.runs[run].reward_mean)}` : "not in this run"}>
          ${row.runs[run] ? html`<b>${percent(row.runs[run].solve_rate)}</b> <span class="muted">${percent(row.runs[run].first)} → ${percent(row.runs[run].latest)}</span>` : "–"}</td>`)}</tr>`)}</tbody></table></div>
    ${data.prompts.length > SHOWN && !query.more && html`<p><button onClick=${() => setQuery({ more: "1" })}>Show ${number(data.prompts.length)}${data.count > data.prompts.length ? ` of ${number(data.count)}` : ""}</button></p>`}
    <p class="muted small">Solve rate of all visits, and of the first → latest visit, in training. If a run has only evaluations, theirs.</p>
  </section>`;
}

/** A prompt in the first run and one of the others. */
function SamePrompt({ runs, prompt, query, version }) {
  const names = [runs[0], query.other ?? runs[1]];
  const answers = names.map((run) => useAnswer("prompt", { run, prompt, solved: query.solved }, version));
  const failed = answers.find((answer) => answer.error);
  if (failed) return html`<${ErrorLine} text=${failed.error} />`;
  if (answers.some((answer) => !answer.data)) return null;
  return html`<${InBoth} runs=${runs} names=${names} answers=${answers} prompt=${prompt} query=${query} />`;
}

function InBoth({ runs, names, answers, prompt, query }) {
  const visits = answers.map((answer) => ofMode(visitsOf(answer.data.outputs)).visits);
  const pair = chosenPair(visits, visits.map((of) => of.length - 1), query);
  const [first] = answers[0].data.outputs;
  return html`<div class="same-prompt" data-same-prompt=${prompt}>
    <div class="row"><h1 dir="auto">${visible(first.question ?? first.prompt ?? prompt)}</h1>
      ${runs.length > 2 && html`<label>compared with <select aria-label="The other run" value=${names[1]} onChange=${(event) => setQuery({ other: event.target.value, b: "", bi: "" })}>
        ${runs.slice(1).map((run) => html`<option key=${run} value=${run}>${visible(run)}</option>`)}</select></label>`}
      <button class="plain" onClick=${() => setQuery({ prompt: "" })}>close</button></div>
    <div class="charts">${VISIT_CURVES.map(([title, value]) => html`<${Chart} key=${title} name=${`same prompt ${title}`} title=${`${title} at each visit`} group="same"
      hasLegend=${true} series=${visits.map((of, i) => visitSeries(of, value, { label: names[i], color: runs.indexOf(names[i]) }))} />`)}</div>
    <${Pair} sides=${names.map((run, i) => ({ run, label: run, visits: visits[i], at: pair[i] }))}
      differs=${html`What differs <span class="muted">– <del>only ${visible(names[0])}</del> <ins>only ${visible(names[1])}</ins></span>`} />
    <p>${names.map((run, i) => html`<a key=${i} href=${url(["run", run, "prompt", prompt])}>Through time in ${visible(run)}</a> `)}</p>
  </div>`;
}
