/** A prompt through time: its solve rate and rewards at each visit, and two completions compared. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { ModeSwitch } from "../parts/mode_switch.js";
import { ErrorLine } from "../parts/states.js";
import { Pair, VISIT_CURVES, chosenPair, ofMode, visitSeries, visitsOf } from "../parts/visits.js";

/** @param {{run: string, rest: string[], query: Record<string, string>, version: string}} props */
export function Prompt({ run, rest, query, version }) {
  const { data, error } = useAnswer("prompt", { run, prompt: rest[0], solved: query.solved }, version);
  if (!data) return html`<${ErrorLine} text=${error} />`;
  return html`<${Visits} run=${run} query=${query} data=${data} />`;
}

function Visits({ run, query, data }) {
  const all = visitsOf(data.outputs);
  const { modes, mode, visits } = ofMode(all, query.mode);
  const [a, b] = chosenPair([visits, visits], [earlierOf(visits), visits.length - 1], query);
  const [first] = data.outputs;
  return html`<div>
    <div class="row"><h1 dir="auto">${visible(first.question ?? first.prompt ?? data.prompt_id)}</h1>
      <${ModeSwitch} modes=${modes} mode=${mode} reset=${{ a: "", ai: "", b: "", bi: "" }} /></div>
    <div class="facts"><span>prompt <b class="mono">${visible(data.prompt_id)}</b></span>
      <span><b>${visits.length}</b> ${visits.length === 1 ? "visit" : "visits"}</span><span><b>${number(visits.reduce((sum, visit) => sum + visit.outputs.length, 0))}</b> completions</span>
      ${first.true_answer !== undefined && html`<span>correct answer <b class="mono">${visible(first.true_answer)}</b></span>`}</div>
    ${data.count > data.outputs.length && html`<p class="notice">The first ${number(data.outputs.length)} of ${number(data.count)} completions.</p>`}
    ${all.length > 1 && html`<div class="charts" style=${{ marginTop: "12px" }}><${Curves} visits=${all} onPick=${(step) => pickVisit(all, mode, step)} /></div>
      <p class="muted small">Click a point to compare with its visit below.</p>`}
    <h2>${visits.length > 1 ? "Two visits" : "The visit"}</h2>
    <${Pair} sides=${[{ run, label: "earlier", visits, at: a }, { run, label: "later", visits, at: b }]}
      differs=${html`What changed <span class="muted">– <del>removed</del> <ins>added</ins></span>`} />
  </div>`;
}

function Curves({ visits, onPick }) {
  return VISIT_CURVES.map(([name, value]) => {
    const series = ["train", "eval"].map((mode, color) => visitSeries(visits.filter((visit) => visit.mode === mode), value,
      { label: mode === "eval" ? "evaluation" : "training", mode, color, dashed: mode === "eval" }));
    return html`<${Chart} key=${name} name=${`prompt ${name}`} title=${`${name} at each visit`} series=${series} group="prompt" onPick=${onPick} />`;
  });
}

/** The visit to compare with the latest one: the best one if the policy has lost since, else the first. */
function earlierOf(visits) {
  const rate = (visit) => visit.rate ?? visit.mean ?? 0;
  const best = visits.reduce((found, visit, i) => (rate(visit) > rate(visits[found]) ? i : found), 0);
  return rate(visits[best]) > rate(visits[visits.length - 1]) ? best : 0;
}

/** Choose the visit at a step: one of this mode, or else of the other. */
function pickVisit(all, mode, step) {
  const at = all.filter((visit) => visit.step === step);
  const picked = at.find((visit) => visit.mode === mode) ?? at[0];
  if (!picked) return;
  const other = picked.mode === mode ? {} : { mode: picked.mode, a: "", ai: "" };
  setQuery({ ...other, b: ofMode(all, picked.mode).visits.indexOf(picked), bi: "" });
}
