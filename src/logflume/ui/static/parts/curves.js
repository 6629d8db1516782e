/** Turns the answers about curves into charts: training beside evaluation, spread as a band. */

import { functionName } from "../lib/format.js";

/** @typedef {import("./chart.js").Series} Series */
/** @typedef {Record<string, Record<string, [number[], (number | null)[]]>>} Curves */

/**
 * Return the series of a metric.
 * @param {string} name
 * @param {Curves} curves
 * @param {Object} [options]
 * @param {Map<number, number> | null} [options.times] By step, where the axis is time.
 * @param {number} [options.color] The first colour.
 * @param {string} [options.label] In front of the labels: a run.
 * @param {boolean} [options.hasSpread]
 * @returns {Series[]}
 */
export function seriesOf(name, curves, { times = null, color = 0, label = "", hasSpread = true } = {}) {
  const spreads = (spreadName(name) && curves[spreadName(name)]) ?? {};
  /** @type {Series[]} */
  const series = [];
  const add = (modes, isCompanion) => {
    for (const [mode, [steps, values]] of Object.entries(modes ?? {})) {
      const isEval = isCompanion || mode === "eval";
      const spread = !isEval && hasSpread ? spreads[mode] : undefined;
      series.push(
        onAxis(times, {
          label: `${label}${isEval ? "evaluation" : "training"}`,
          color: isEval && !label ? color + 1 : color,
          dashed: isEval,
          x: steps,
          y: values,
          spread: spread && aligned(steps, spread),
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

/** The names that get a chart of their own: not an evaluation's that is drawn beside training. */
export function ownCharts(/** @type {string[]} */ names) {
  const known = new Set(names);
  return names.filter((name) => !(name.startsWith("eval_") && known.has(name.slice(5))));
}

function aligned(steps, [of, values]) {
  const byStep = new Map(of.map((step, i) => [step, values[i]]));
  return steps.map((step) => byStep.get(step) ?? null);
}

/** @param {Map<number, number> | null} times @param {Series} series @returns {Series} */
function onAxis(times, series) {
  const order = series.x
    .map((step, i) => ({ at: times ? times.get(step) : step, i }))
    .filter(({ at }) => at !== undefined && at !== null)
    .sort((a, b) => a.at - b.at)
    // A curve has one value at each place.
    .filter(({ at }, i, all) => i === all.length - 1 || all[i + 1].at !== at);
  const pick = (values) => values && order.map(({ i }) => values[i]);
  return { ...series, x: order.map(({ at }) => at), y: pick(series.y), spread: pick(series.spread) };
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

/** @param {string} name */
export function titleOf(name) {
  const reward = /^(?:reward\.)?rewards\/(.+)\/mean$/.exec(name);
  return TITLES[name] ?? (reward ? `reward: ${functionName(name)}` : name);
}
