/** The visits of a prompt, and two of their completions compared. */
import { useAnswer } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { deviationOf, meanOf, numbersOf, rangeOf } from "../lib/statistics.js";
import { Difference } from "./difference.js";
import { Output, scaleOf } from "./output.js";

const NAMES = ["a", "b"]; // of the two choices in the URL

/** The curves of visits: a title, and the figure of a visit. */
export const VISIT_CURVES = /** @type {[string, "rate" | "mean"][]} */ ([["solve rate", "rate"], ["reward", "mean"]]);

/**
 * @typedef {Object} Visit
 * @property {number | null} step
 * @property {string} mode
 * @property {Record<string, any>[]} outputs
 * @property {number | null} mean The mean of their rewards.
 * @property {number} std The standard deviation of their rewards.
 * @property {number | null} rate The solve rate.
 */

/** @param {Record<string, any>[]} outputs @returns {Visit[]} */
export function visitsOf(outputs) {
  const visits = new Map();
  for (const output of outputs) {
    const mode = output.mode ?? "train";
    const key = `${mode} ${output.visit}`; // visits are numbered in each mode
    if (!visits.has(key)) visits.set(key, { step: output.step ?? null, mode, outputs: [] });
    visits.get(key).outputs.push(output);
  }
  return [...visits.values()].map((visit) => ({ ...visit, ...summary(visit.outputs) }));
}

/** The visits of a mode: the wanted one, or else that of training, if there are any. @param {Visit[]} all @param {string} [wanted] */
export function ofMode(all, wanted) {
  const modes = ["train", "eval"].filter((mode) => all.some((visit) => visit.mode === mode));
  const mode = modes.find((one) => one === wanted) ?? modes[0];
  return { modes, mode, visits: all.filter((visit) => visit.mode === mode) };
}

function summary(outputs) {
  const rewards = rewardsOf(outputs);
  const solved = outputs.map((one) => one.solved).filter((one) => typeof one === "boolean");
  return { mean: meanOf(rewards), std: deviationOf(rewards) ?? 0, rate: meanOf(solved.map(Number)) };
}

function rewardsOf(outputs) {
  return numbersOf(outputs.map((one) => one["rewards/total"]));
}

/**
 * The earlier and the later visit that are compared, with a completion of each. Unless the URL says
 * otherwise, they are those at the extremes, where a loss or a gain shows best.
 * @param {[Visit[], Visit[]]} visits
 * @param {[number, number]} initial The indices of the visits without a choice.
 * @param {Record<string, string>} query
 */
export function chosenPair([earlier, later], [first, last], query) {
  const [a, b] = [indexOf(earlier, query.a, first), indexOf(later, query.b, last)];
  const gain = (later[b].rate ?? 0) - (earlier[a].rate ?? 0) || (later[b].mean ?? 0) - (earlier[a].mean ?? 0);
  return [chosen(earlier, a, query.ai, gain < 0), chosen(later, b, query.bi, gain >= 0)];
}

/** @param {Visit[]} visits @param {string | undefined} text From the URL. @param {number} initial The visit without a choice. */
function indexOf(visits, text, initial) {
  return text && visits[Number(text)] ? Number(text) : initial;
}

/**
 * The chosen visit and completion: by default a solved one with the highest reward, or the opposite.
 * @param {Visit[]} visits
 * @param {number} index
 * @param {string | undefined} outputText From the URL.
 * @param {boolean} isHighest
 */
function chosen(visits, index, outputText, isHighest) {
  const visit = visits[index];
  const sign = isHighest ? 1 : -1;
  const solved = (output) => sign * Number(output.solved ?? false);
  const reward = (output) => sign * (output["rewards/total"] ?? -sign * Infinity);
  const best = visit.outputs.reduce((one, other) =>
    solved(other) > solved(one) || (solved(other) === solved(one) && reward(other) > reward(one)) ? other : one);
  return { index, visit, output: (outputText && visit.outputs[Number(outputText)]) || best };
}

/**
 * A completion with all its fields, which are missing if the prompt has many.
 * @param {string} run
 * @param {Record<string, any>} output
 * @returns {Record<string, any>}
 */
function useWhole(run, output) {
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
 * Two completions: the choice of each, the difference between their texts, and both in full.
 * @param {{sides: {run: string, label: string, visits: Visit[], at: any}[], differs: unknown}} props `at`: of
 * `chosenPair`; `differs`: the heading of the difference.
 */
export function Pair({ sides, differs }) {
  const outputs = [...new Set(sides.flatMap((side) => side.visits))].flatMap((visit) => visit.outputs);
  const range = rangeOf(rewardsOf(outputs));
  const scale = scaleOf(outputs, range);
  const [before, after] = sides.map((side) => useWhole(side.run, side.at.output));
  return html`<div>
    <div class="two">${sides.map((side, i) => html`<${Choice} key=${i} name=${NAMES[i]} range=${range} ...${side} />`)}</div>
    <h2>${differs}</h2>
    <div class="panel pad"><${Difference} before=${before.model_output ?? ""} after=${after.model_output ?? ""} /></div>
    <h2>Both completions</h2>
    <div class="two"><${Output} output=${before} scale=${scale} /><${Output} output=${after} scale=${scale} /></div>
  </div>`;
}

/** @param {{name: string, label: string, visits: Visit[], at: any, range: any, run: string}} props `name`: of the visit in the URL. */
function Choice({ name, label, visits, at, range, run }) {
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
