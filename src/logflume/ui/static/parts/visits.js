/** The visits of a prompt, and the choice of one of them and of one of its completions. */
import { useAnswer } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";

/**
 * @typedef {Object} Visit
 * @property {number | null} step
 * @property {string} mode
 * @property {Record<string, any>[]} outputs
 * @property {number | null} mean Of their rewards, which `std` is the standard deviation of.
 * @property {number} std
 * @property {number | null} rate The solve rate.
 */

/** @param {Record<string, any>[]} outputs @returns {Visit[]} */
export function visitsOf(outputs) {
  const visits = new Map();
  for (const output of outputs) {
    if (!visits.has(output.visit)) visits.set(output.visit, { step: output.step ?? null, mode: output.mode ?? "train", outputs: [] });
    visits.get(output.visit).outputs.push(output);
  }
  return [...visits.values()].map((visit) => ({ ...visit, ...summary(visit.outputs) }));
}

function summary(outputs) {
  const rewards = outputs.map((one) => one["rewards/total"]).filter((one) => typeof one === "number");
  const known = outputs.filter((one) => typeof one.solved === "boolean");
  const mean = rewards.length ? rewards.reduce((sum, one) => sum + one, 0) / rewards.length : null;
  const variance = rewards.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, rewards.length - 1);
  return { mean, std: Math.sqrt(variance), rate: known.length ? known.filter((one) => one.solved).length / known.length : null };
}

/**
 * The chosen visit and completion; by default the one with the highest or the lowest reward.
 * @param {Visit[]} visits
 * @param {string | undefined} visitText What the URL says.
 * @param {string | undefined} outputText
 * @param {number} initial The visit without a choice.
 * @param {boolean} isHighest
 */
export function chosen(visits, visitText, outputText, initial, isHighest) {
  const index = visitText && visits[Number(visitText)] ? Number(visitText) : initial;
  const visit = visits[index];
  const sign = isHighest ? 1 : -1;
  const value = (output) => sign * (output["rewards/total"] ?? -sign * Infinity);
  const best = visit.outputs.reduce((one, other) => (value(other) > value(one) ? other : one));
  return { index, visit, output: (outputText && visit.outputs[Number(outputText)]) || best };
}

/**
 * A completion with all its fields, which the answer about a prompt with many has only of some.
 * @param {string} run
 * @param {Record<string, any>} output
 * @returns {Record<string, any>}
 */
export function useWhole(run, output) {
  const { data, isCurrent } = useAnswer(output?.partial ? "outputs" : null, { run, id: output?.id });
  return (output?.partial && isCurrent && data?.outputs[0]) || output;
}

/** The mean, standard deviation and solve rate of visits at each step. @param {Visit[]} visits @param {"rate" | "mean"} name @param {any} more */
export function visitSeries(visits, name, more) {
  const of = visits.filter((visit) => visit.step !== null && visit[name] !== null);
  const last = of.filter((visit, i) => of[i + 1]?.step !== visit.step);
  const band = name === "mean" ? [-1, 1].map((sign) => last.map((visit) => visit.mean + sign * visit.std)) : undefined;
  return { ...more, x: last.map((visit) => visit.step), y: last.map((visit) => visit[name]), band };
}

/**
 * A visit, and one of its completions.
 * @param {{name: string, label: string, visits: Visit[], at: any, range: any, run: string}} props `name`: of the visit in the URL.
 */
export function Choice({ name, label, visits, at, range, run }) {
  return html`<div class="panel pad">
    <div class="row"><label>${visible(label)}: <select aria-label=${`${visible(label)} visit`} value=${at.index}
        onChange=${(event) => setQuery({ [name]: event.target.value, [`${name}i`]: "" })}>
        ${visits.map((visit, i) => html`<option key=${i} value=${i}>step ${number(visit.step)}${visit.mode === "eval" ? ", evaluation" : ""} – solved ${percent(visit.rate)}</option>`)}</select></label>
      <a href=${url(["run", run, "completions"], { step: at.visit.step, mode: at.visit.mode, id: at.output.id })}>its step</a></div>
    <div class="visit-list">${at.visit.outputs.map((output, i) => html`<button key=${i} aria-pressed=${output === at.output}
      onClick=${() => setQuery({ [name]: at.index, [`${name}i`]: i })}><i class="swatch" style=${{ background: rewardColor(output["rewards/total"], range.low, range.high) }}></i>
      ${number(output["rewards/total"])}${output.solved ? " ✓" : ""}</button>`)}</div>
  </div>`;
}
