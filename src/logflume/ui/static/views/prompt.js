/** One prompt through time: its solve rate and rewards at each visit, and two texts compared. */
import { useAnswer } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { Difference } from "../parts/difference.js";
import { Output, scaleOf } from "../parts/output.js";
import { SolvedFrom } from "../parts/solved_from.js";
import { ErrorLine } from "../parts/states.js";

/** @param {{run: string, rest: string[], query: Record<string, string>, version: string}} props */
export function Prompt({ run, rest, query, version }) {
  const { data, error } = useAnswer("prompt", { run, prompt: rest[0], solved: query.solved }, version);
  if (!data) return html`<div><${ErrorLine} text=${error} />${error && html`<${SolvedFrom} query=${query} />`}</div>`;
  const visits = visitsOf(data.outputs);
  const rewards = data.outputs.map((one) => one["rewards/total"]).filter((one) => typeof one === "number");
  const range = { low: Math.min(...rewards), high: Math.max(...rewards) };
  const scale = scaleOf(data.outputs, range);
  const earlier = earlierOf(visits);
  // What the policy lost or gained is seen best between the extremes of both visits.
  const isWorse = (visits[visits.length - 1].mean ?? 0) < (visits[earlier].mean ?? 0);
  const a = chosen(visits, query.a, query.ai, earlier, isWorse);
  const b = chosen(visits, query.b, query.bi, visits.length - 1, !isWorse);
  const [first] = data.outputs;
  return html`<div>
    <div class="row"><h1 dir="auto">${visible(first.question ?? first.prompt ?? data.prompt_id)}</h1></div>
    <div class="facts"><span>prompt <b class="mono">${visible(data.prompt_id)}</b></span>
      <span><b>${visits.length}</b> ${visits.length === 1 ? "visit" : "visits"}</span><span><b>${data.count}</b> completions</span>
      ${first.true_answer !== undefined && html`<span>right answer <b class="mono">${visible(first.true_answer)}</b></span>`}</div>
    ${data.count > data.outputs.length && html`<p class="notice">The first ${data.outputs.length} of ${data.count} completions.</p>`}
    ${visits.length > 1 && html`<div class="charts" style=${{ marginTop: "12px" }}><${Curves} visits=${visits} onPick=${(step) => pickVisit(visits, step)} /></div>`}
    <h2>${visits.length > 1 ? "Two visits" : "The visit"}</h2>
    <div class="two">
      <${Choice} name="a" visits=${visits} at=${a} range=${range} run=${run} />
      <${Choice} name="b" visits=${visits} at=${b} range=${range} run=${run} />
    </div>
    <h2>What changed <span class="muted">– <del>removed</del> <ins>added</ins></span></h2>
    <div class="panel pad"><${Difference} before=${a.output.model_output ?? ""} after=${b.output.model_output ?? ""} /></div>
    <h2>Both completions</h2>
    <div class="two"><${Output} output=${a.output} scale=${scale} /><${Output} output=${b.output} scale=${scale} /></div>
  </div>`;
}

function Curves({ visits, onPick }) {
  const options = { smoothing: 0, isLog: false, axis: "step" };
  const charts = [
    ["solve rate", (visit) => visit.rate, null],
    ["reward", (visit) => visit.mean, (visit) => visit.std],
  ];
  return charts.map(([name, value, spread]) => {
    const series = ["train", "eval"].map((mode, color) => {
      const of = visits.filter((visit) => visit.mode === mode && visit.step !== null && value(visit) !== null);
      const last = of.filter((visit, i) => of[i + 1]?.step !== visit.step);
      return { label: mode, color, dashed: mode === "eval", x: last.map((v) => v.step), y: last.map(value), band: spread ? [-1, 1].map((sign) => last.map((v) => v.mean + sign * v.std)) : undefined };
    });
    return html`<${Chart} key=${name} name=${`prompt ${name}`} title=${`${name} at each visit`} series=${series} options=${options} group="prompt" onPick=${onPick} />`;
  });
}

/** A visit, and one of its completions. */
function Choice({ name, visits, at, range, run }) {
  const other = name === "a" ? "earlier" : "later";
  return html`<div class="panel pad">
    <div class="row"><label>${other}: <select aria-label=${`${other} visit`} value=${at.index}
        onChange=${(event) => setQuery({ [name]: event.target.value, [`${name}i`]: "" })}>
        ${visits.map((visit, i) => html`<option key=${i} value=${i}>step ${number(visit.step)}${visit.mode === "eval" ? ", evaluation" : ""} – solved ${percent(visit.rate)}</option>`)}</select></label>
      <a href=${url(["run", run, "completions"], { step: at.visit.step, mode: at.visit.mode })}>its step</a></div>
    <div class="visit-list">${at.visit.outputs.map((output, i) => html`<button key=${i} aria-pressed=${output === at.output}
      onClick=${() => setQuery({ [name]: at.index, [`${name}i`]: i })}><i class="swatch" style=${{ background: rewardColor(output["rewards/total"], range.low, range.high) }}></i>
      ${number(output["rewards/total"])}${output.solved ? " ✓" : ""}</button>`)}</div>
  </div>`;
}

function visitsOf(outputs) {
  const visits = new Map();
  for (const output of outputs) {
    if (!visits.has(output.visit)) visits.set(output.visit, { step: output.step ?? null, mode: output.mode ?? "train", outputs: [] });
    visits.get(output.visit).outputs.push(output);
  }
  return [...visits.values()].map((visit) => ({ ...visit, ...summary(visit.outputs) }));
}

/** The visit to compare the latest one with: the best one where something was lost since, or else the first. */
function earlierOf(visits) {
  const rate = (visit) => visit.rate ?? visit.mean ?? 0;
  const best = visits.reduce((found, visit, i) => (rate(visit) > rate(visits[found]) ? i : found), 0);
  return rate(visits[best]) > rate(visits[visits.length - 1]) ? best : 0;
}

function summary(outputs) {
  const rewards = outputs.map((one) => one["rewards/total"]).filter((one) => typeof one === "number");
  const known = outputs.filter((one) => typeof one.solved === "boolean");
  const mean = rewards.length ? rewards.reduce((sum, one) => sum + one, 0) / rewards.length : null;
  const variance = rewards.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, rewards.length - 1);
  return { mean, std: Math.sqrt(variance), rate: known.length ? known.filter((one) => one.solved).length / known.length : null };
}

/** The chosen visit and completion; by default the one with the highest or lowest reward. */
function chosen(visits, visitText, outputText, initial, isHighest) {
  const index = visits[Number(visitText)] && visitText !== undefined && visitText !== "" ? Number(visitText) : initial;
  const visit = visits[index];
  const sign = isHighest ? 1 : -1;
  const value = (output) => sign * (output["rewards/total"] ?? -sign * Infinity);
  const best = visit.outputs.reduce((one, other) => (value(other) > value(one) ? other : one));
  return { index, visit, output: (outputText && visit.outputs[Number(outputText)]) || best };
}

function pickVisit(visits, step) {
  const index = visits.findIndex((visit) => visit.step === step);
  if (index >= 0) setQuery({ b: index, bi: "" });
}
