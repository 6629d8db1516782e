/** The horizontal axis of curves: steps, time, time since the start, or tokens so far. */
import { useAnswer } from "./api.js";
import { useMemo } from "./dom.js";

/** @typedef {"step" | "time" | "elapsed" | "tokens"} AxisName */

/**
 * @typedef {Object} Axis
 * @property {AxisName} name
 * @property {(step: number | null) => number | null} of The place of a step; null if it has none.
 * @property {(x: number) => number} stepAt The step at a place.
 */

/** @type {Axis} */
export const STEPS = { name: "step", of: (step) => step, stepAt: (x) => x };

/**
 * @param {AxisName} name
 * @param {{steps: number[], times: number[], tokens: (number | null)[]} | null} answer The answer `axes`.
 * @returns {Axis | null} Null if the run has no values for this axis.
 */
export function makeAxis(name, answer) {
  if (name === "step" || !answer) return STEPS;
  const values = name === "tokens" ? answer.tokens : answer.times;
  const start = name === "elapsed" ? Math.min(...answer.times) : 0;
  /** @type {[number, number][]} */
  const pairs = [];
  answer.steps.forEach((step, i) => {
    const value = values[i];
    // Both increase, unless a clock or a counter was set back.
    if (value !== null && (!pairs.length || value > pairs[pairs.length - 1][1])) pairs.push([step, value - start]);
  });
  if (!pairs.length) return null;
  return {
    name,
    of: (step) => (step === null ? null : interpolate(pairs, step, 0, 1)),
    stepAt: (x) => Math.round(interpolate(pairs, x, 1, 0)),
  };
}

/**
 * Interpolate between points; outside them, return the value of the first or the last one.
 * @param {[number, number][]} pairs In order.
 * @param {number} value
 * @param {0 | 1} from The index of the value in a pair.
 * @param {0 | 1} to
 */
export function interpolate(pairs, value, from, to) {
  let low = 0;
  let high = pairs.length - 1;
  if (value <= pairs[low][from]) return pairs[low][to];
  if (value >= pairs[high][from]) return pairs[high][to];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (pairs[middle][from] <= value) low = middle;
    else high = middle;
  }
  const [a, b] = [pairs[low], pairs[high]];
  return a[to] + ((value - a[from]) / (b[from] - a[from])) * (b[to] - a[to]);
}

/**
 * The axis of a run's curves. Until it is known, or if the run lacks it, it is the step.
 * @param {string} run
 * @param {AxisName} name
 * @param {unknown} version
 * @returns {{axis: Axis, missing: AxisName | null}}
 */
export function useAxis(run, name, version) {
  const { data } = useAnswer(name === "step" ? null : "axes", { run }, version);
  return useMemo(() => {
    const axis = makeAxis(name, data);
    return { axis: axis ?? STEPS, missing: axis ? null : name };
  }, [name, data]);
}
