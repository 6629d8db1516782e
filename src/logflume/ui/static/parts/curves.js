/** Turns the answers about curves into charts: training beside evaluation, spread as a band. */
import { STEPS, interpolate } from "../lib/axis.js";
import { functionName } from "../lib/format.js";

export const MAX_FOUND = 18; // charts of a search

/** @typedef {import("./chart.js").Series} Series */
/** @typedef {Record<string, Record<string, [number[], (number | null)[]]>>} Curves */

/**
 * Return the series of a metric.
 * @param {string} name
 * @param {Curves} curves
 * @param {Object} [options]
 * @param {import("../lib/axis.js").Axis} [options.axis]
 * @param {number} [options.color] The first colour.
 * @param {string} [options.label] Prefix of the labels, such as a run.
 * @param {boolean} [options.hasSpread]
 * @param {boolean} [options.hasEval] Whether evaluation is drawn beside training.
 * @returns {Series[]}
 */
export function seriesOf(name, curves, { axis = STEPS, color = 0, label = "", hasSpread = true, hasEval = true } = {}) {
  const spreads = (spreadName(name) && curves[spreadName(name)]) ?? {};
  /** @type {Series[]} */
  const series = [];
  const add = (modes, isCompanion) => {
    for (const [mode, [steps, values]] of Object.entries(modes ?? {})) {
      const isEval = isCompanion || mode === "eval";
      if (isEval && !hasEval) continue;
      const spread = !isEval && hasSpread ? spreads[mode] : undefined;
      series.push(
        onAxis(axis, {
          label: label ? `${label}${isEval ? ", evaluation" : ""}` : isEval ? "evaluation" : "training",
          mode: label ? undefined : isEval ? "eval" : "train",
          color: isEval && !label ? color + 1 : color,
          dashed: isEval,
          x: steps,
          y: values,
          band: spread && bandOf(values, aligned(steps, spread)),
        }),
      );
    }
  };
  add(curves[name], false);
  if (!name.startsWith("eval_")) add(curves[`eval_${name}`], true);
  return series;
}

/** The metric that is the spread of another; null without one. @param {string} name */
function spreadName(name) {
  if (name === "reward") return "reward_std";
  return name.endsWith("/mean") ? name.replace(/\/mean$/, "/std") : null;
}

/** The names that contain each word of a search. @param {string[]} names @param {string} search */
export function matchingNames(names, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length ? names.filter((name) => words.every((word) => name.toLowerCase().includes(word))) : [];
}

/** The names that get a chart of their own: all but evaluations that are drawn beside training. */
export function ownCharts(/** @type {string[]} */ names) {
  const known = new Set(names);
  return names.filter((name) => !(name.startsWith("eval_") && known.has(name.slice(5))));
}

/** The spread at some steps, interpolated: a long curve and its spread keep different points. */
function aligned(steps, [of, values]) {
  const pairs = of.map((step, i) => [step, values[i]]).filter(([step, value]) => step !== null && value !== null);
  if (!pairs.length) return steps.map(() => null);
  return steps.map((step) => (step === null ? null : interpolate(pairs, step, 0, 1)));
}

/** @returns {[(number | null)[], (number | null)[]]} */
function bandOf(values, spread) {
  const edge = (sign) => values.map((y, i) => (y === null || spread[i] === null ? null : y + sign * spread[i]));
  return [edge(-1), edge(1)];
}

/** Place a series of steps on an axis. @param {import("../lib/axis.js").Axis} axis @param {Series} series @returns {Series} */
export function onAxis(axis, series) {
  const order = series.x
    .map((step, i) => ({ at: axis.of(step), i }))
    .filter(({ at }) => at !== undefined && at !== null)
    .sort((a, b) => a.at - b.at)
    // A curve has one value at each place, the last one.
    .filter(({ at }, i, all) => i === all.length - 1 || all[i + 1].at !== at);
  const pick = (values) => values && order.map(({ i }) => values[i]);
  const band = /** @type {Series["band"]} */ (series.band && [pick(series.band[0]), pick(series.band[1])]);
  return { ...series, x: order.map(({ at }) => at), y: pick(series.y), band };
}

const TITLES = {
  reward: "reward",
  kl: "KL",
  "completions/mean_length": "completion length",
  "completions/clipped_ratio": "truncated completions, share",
  frac_reward_zero_std: "groups without signal, share",
  "clip_ratio/region_mean": "clipped tokens, share",
  "generation.quality/correct/mean": "correct answers, share",
  grad_norm: "gradient norm",
  learning_rate: "learning rate",
  step_time: "step time, s",
};

/**
 * The reward functions of a run that have a curve of the training, by their names.
 * @param {{main: string[], curves: Record<string, any>}} answer
 */
export function functionCurves({ main: names, curves }) {
  return names.filter((name) => /^rewards\/.+\/mean$/.test(name) && name !== "rewards/total/mean" && curves[name]?.train);
}

/** @param {string} name */
export function titleOf(name) {
  const reward = /^(?:reward\.)?rewards\/(.+)\/mean$/.exec(name);
  return TITLES[name] ?? (reward ? `reward: ${functionName(name)}` : name);
}
