/** The prompts that runs share, and one of them with a completion of each run. */
import { useAnswer } from "../lib/api.js";
import { seriesVariable } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "./chart.js";
import { Difference } from "./difference.js";
import { Output, scaleOf } from "./output.js";
import { Unmeasured } from "./solved_from.js";
import { ErrorLine } from "./states.js";
import { Choice, chosen, useWhole, visitSeries, visitsOf } from "./visits.js";

const SHOWN = 15;
const OPTIONS = { smoothing: 0, isLog: false, axis: /** @type {const} */ ("step") };

/** @param {{runs: string[], query: Record<string, string>, version: string | null}} props */
export function CommonPrompts({ runs, query, version }) {
  const { data, error } = useAnswer(version === null ? null : "common_prompts", { run: runs, solved: query.solved }, version);
  if (error) return html`<section class="section"><h2>The same prompts</h2><${ErrorLine} text=${error} /></section>`;
  if (!data) return null;
  if (data.unmeasured) return html`<section class="section"><h2>The same prompts</h2><${Unmeasured} of=${data.unmeasured} query=${query} /></section>`;
  if (!data.count) return html`<section class="section"><h2>The same prompts</h2><p class="muted">No prompt is in more than one of these runs.</p></section>`;
  const rows = query.more ? data.prompts : data.prompts.slice(0, SHOWN);
  return html`<section class="section" data-section="common-prompts">
    <h2>The same prompts <span class="muted">– ${number(data.count)} are in more than one run, those with the largest difference first</span></h2>
    ${query.prompt && html`<${SamePrompt} runs=${runs} prompt=${query.prompt} query=${query} version=${version} />`}
    <div class="panel scroll-x"><table><thead><tr><th>prompt</th>${runs.map((run, i) => html`<th class="number" key=${run}><i class="swatch" style=${{ background: seriesVariable(i) }}></i> ${visible(run)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.prompt_id} class="prompt-row" data-prompt=${row.prompt_id} aria-current=${row.prompt_id === query.prompt ? "true" : undefined}>
        <td><button class="plain question" dir="auto" onClick=${() => setQuery({ prompt: row.prompt_id, a: "", ai: "", b: "", bi: "" })}>${visible(row.question ?? row.prompt_id)}</button></td>
        ${runs.map((run) => html`<td class="number nowrap" key=${run} title=${row.runs[run] ? `${row.runs[run].visits} visits, mean reward ${number(row.runs[run].reward_mean)}` : "not in this run"}>
          ${row.runs[run] ? html`<b>${percent(row.runs[run].solve_rate)}</b> <span class="muted">${percent(row.runs[run].first)} → ${percent(row.runs[run].latest)}</span>` : "–"}</td>`)}</tr>`)}</tbody></table></div>
    ${data.prompts.length > SHOWN && !query.more && html`<p><button onClick=${() => setQuery({ more: "1" })}>Show ${number(data.prompts.length)}${data.count > data.prompts.length ? ` of ${number(data.count)}` : ""}</button></p>`}
    <p class="muted small">Solved in all visits, and first → latest visit.</p>
  </section>`;
}

/** A prompt in the first two of the runs that have it. */
function SamePrompt({ runs, prompt, query, version }) {
  const answers = [
    useAnswer("prompt", { run: runs[0], prompt, solved: query.solved }, version),
    useAnswer("prompt", { run: query.other ?? runs[1], prompt, solved: query.solved }, version),
  ];
  const names = [runs[0], query.other ?? runs[1]];
  if (answers.some((answer) => answer.error)) return html`<${ErrorLine} text=${answers.find((answer) => answer.error).error} />`;
  if (answers.some((answer) => !answer.data)) return null;
  return html`<${InBoth} runs=${runs} names=${names} answers=${answers} prompt=${prompt} query=${query} />`;
}

function InBoth({ runs, names, answers, prompt, query }) {
  const visits = answers.map((answer) => visitsOf(answer.data.outputs));
  const outputs = answers.flatMap((answer) => answer.data.outputs);
  const rewards = outputs.map((one) => one["rewards/total"]).filter((one) => typeof one === "number");
  const range = { low: Math.min(...rewards), high: Math.max(...rewards) };
  const scale = scaleOf(outputs, range);
  const isWorse = (visits[1].at(-1).mean ?? 0) < (visits[0].at(-1).mean ?? 0);
  const a = chosen(visits[0], query.a, query.ai, visits[0].length - 1, isWorse);
  const b = chosen(visits[1], query.b, query.bi, visits[1].length - 1, !isWorse);
  const wholes = [useWhole(names[0], a.output), useWhole(names[1], b.output)];
  const charts = /** @type {[string, "rate" | "mean"][]} */ ([["solve rate", "rate"], ["reward", "mean"]]);
  return html`<div class="same-prompt" data-same-prompt=${prompt}>
    <div class="row"><h1 dir="auto">${visible(outputs[0].question ?? outputs[0].prompt ?? prompt)}</h1>
      ${runs.length > 2 && html`<label>beside <select aria-label="The other run" value=${names[1]} onChange=${(event) => setQuery({ other: event.target.value, b: "", bi: "" })}>
        ${runs.slice(1).map((run) => html`<option key=${run} value=${run}>${visible(run)}</option>`)}</select></label>`}
      <button class="plain" onClick=${() => setQuery({ prompt: "" })}>close</button></div>
    <div class="charts">${charts.map(([title, value]) => html`<${Chart} key=${title} name=${`same prompt ${title}`} title=${`${title} at each visit`} options=${OPTIONS} group="same"
      hasLegend=${true} series=${visits.map((of, i) => visitSeries(of.filter((visit) => visit.mode === "train" || of.every((one) => one.mode === "eval")), value, { label: names[i], color: runs.indexOf(names[i]) }))} />`)}</div>
    <div class="two">
      <${Choice} name="a" label=${names[0]} visits=${visits[0]} at=${a} range=${range} run=${names[0]} />
      <${Choice} name="b" label=${names[1]} visits=${visits[1]} at=${b} range=${range} run=${names[1]} /></div>
    <h2>What differs <span class="muted">– <del>only ${visible(names[0])}</del> <ins>only ${visible(names[1])}</ins></span></h2>
    <div class="panel pad"><${Difference} before=${wholes[0].model_output ?? ""} after=${wholes[1].model_output ?? ""} /></div>
    <div class="two" style=${{ marginTop: "10px" }}>${wholes.map((output, i) => html`<${Output} key=${i} output=${output} scale=${scale} />`)}</div>
    <p>${names.map((run, i) => html`<a key=${i} href=${url(["run", run, "prompt", prompt])}>Through time in ${visible(run)}</a> `)}</p>
  </div>`;
}
