/** One prompt through time: its solve rate and rewards at each visit, and two texts compared. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { Difference } from "../parts/difference.js";
import { Output, scaleOf } from "../parts/output.js";
import { ErrorLine } from "../parts/states.js";
import { Choice, chosen, useWhole, visitSeries, visitsOf } from "../parts/visits.js";

const OPTIONS = { smoothing: 0, isLog: false, axis: /** @type {const} */ ("step") };

/** @param {{run: string, rest: string[], query: Record<string, string>, version: string}} props */
export function Prompt({ run, rest, query, version }) {
  const { data, error } = useAnswer("prompt", { run, prompt: rest[0], solved: query.solved }, version);
  if (!data) return html`<${ErrorLine} text=${error} />`;
  return html`<${Visits} run=${run} query=${query} data=${data} />`;
}

function Visits({ run, query, data }) {
  const visits = visitsOf(data.outputs);
  const rewards = data.outputs.map((one) => one["rewards/total"]).filter((one) => typeof one === "number");
  const range = { low: Math.min(...rewards), high: Math.max(...rewards) };
  const scale = scaleOf(data.outputs, range);
  const earlier = earlierOf(visits);
  // What the policy lost or gained is seen best between the extremes of both visits.
  const isWorse = (visits[visits.length - 1].mean ?? 0) < (visits[earlier].mean ?? 0);
  const a = chosen(visits, query.a, query.ai, earlier, isWorse);
  const b = chosen(visits, query.b, query.bi, visits.length - 1, !isWorse);
  const [before, after] = [useWhole(run, a.output), useWhole(run, b.output)];
  const [first] = data.outputs;
  return html`<div>
    <div class="row"><h1 dir="auto">${visible(first.question ?? first.prompt ?? data.prompt_id)}</h1></div>
    <div class="facts"><span>prompt <b class="mono">${visible(data.prompt_id)}</b></span>
      <span><b>${visits.length}</b> ${visits.length === 1 ? "visit" : "visits"}</span><span><b>${data.count}</b> completions</span>
      ${first.true_answer !== undefined && html`<span>right answer <b class="mono">${visible(first.true_answer)}</b></span>`}</div>
    ${data.count > data.outputs.length && html`<p class="notice">The first ${number(data.outputs.length)} of ${number(data.count)} completions.</p>`}
    ${visits.length > 1 && html`<div class="charts" style=${{ marginTop: "12px" }}><${Curves} visits=${visits} onPick=${(step) => pickVisit(visits, step)} /></div>
      <p class="muted small">click a point: its visit is the later one below</p>`}
    <h2>${visits.length > 1 ? "Two visits" : "The visit"}</h2>
    <div class="two">
      <${Choice} name="a" label="earlier" visits=${visits} at=${a} range=${range} run=${run} />
      <${Choice} name="b" label="later" visits=${visits} at=${b} range=${range} run=${run} />
    </div>
    <h2>What changed <span class="muted">– <del>removed</del> <ins>added</ins></span></h2>
    <div class="panel pad"><${Difference} before=${before.model_output ?? ""} after=${after.model_output ?? ""} /></div>
    <h2>Both completions</h2>
    <div class="two"><${Output} output=${before} scale=${scale} /><${Output} output=${after} scale=${scale} /></div>
  </div>`;
}

function Curves({ visits, onPick }) {
  const charts = /** @type {[string, "rate" | "mean"][]} */ ([["solve rate", "rate"], ["reward", "mean"]]);
  return charts.map(([name, value]) => {
    const series = ["train", "eval"].map((mode, color) => visitSeries(visits.filter((visit) => visit.mode === mode), value,
      { label: mode === "eval" ? "evaluation" : "training", color, dashed: mode === "eval" }));
    return html`<${Chart} key=${name} name=${`prompt ${name}`} title=${`${name} at each visit`} series=${series} options=${OPTIONS} group="prompt" onPick=${onPick} />`;
  });
}

/** The visit to compare the latest one with: the best one where something was lost since, or else the first. */
function earlierOf(visits) {
  const rate = (visit) => visit.rate ?? visit.mean ?? 0;
  const best = visits.reduce((found, visit, i) => (rate(visit) > rate(visits[found]) ? i : found), 0);
  return rate(visits[best]) > rate(visits[visits.length - 1]) ? best : 0;
}

function pickVisit(visits, step) {
  const index = visits.findIndex((visit) => visit.step === step);
  if (index >= 0) setQuery({ b: index, bi: "" });
}
