/** Where the curves of two runs diverge: the step from which they differ by more than their noise. */
import { smooth } from "./statistics.js";

const HALF_LIFE = 10; // points of the mean that follows a curve
const WIDTH = 3; // standard errors between curves that are apart
const MIN_POINTS = 8;

/**
 * @typedef {Object} Divergence
 * @property {number | null} differsAt The first step with different values; null if there is none.
 * @property {number | null} divergesAt The step from which the means stay apart; null if they don't.
 * @property {number} first The moving mean of the first curve at the last common step.
 * @property {number} second The moving mean of the second curve at that step.
 * @property {number} last The last common step.
 */

/**
 * Compare two curves at their common steps. Each is smoothed by an exponential moving mean with a
 * half-life of 10 points. The curves diverge at the first step from which the difference of the means
 * never again is within three standard errors, estimated from the scatter around the means.
 * @param {[number[], (number | null)[]]} a Steps and values.
 * @param {[number[], (number | null)[]]} b
 * @returns {Divergence | null} Null for fewer than 8 common points.
 */
export function divergence(a, b) {
  const ofB = new Map(b[0].map((step, i) => [step, b[1][i]]));
  const points = a[0]
    .map((step, i) => ({ step, a: a[1][i], b: ofB.get(step) }))
    .filter((point) => typeof point.step === "number" && typeof point.a === "number" && typeof point.b === "number");
  if (points.length < MIN_POINTS) return null;
  const weight = 0.5 ** (1 / HALF_LIFE);
  const means = [smooth(points.map((point) => point.a), weight), smooth(points.map((point) => point.b), weight)];
  const noise = Math.sqrt(scatter(points.map((point) => point.a)) + scatter(points.map((point) => point.b)));
  const error = noise * Math.sqrt((1 - weight) / (1 + weight));
  const apart = points.map((_, i) => Math.abs(means[0][i] - means[1][i]) > WIDTH * error);
  const sign = (i) => Math.sign(means[0][i] - means[1][i]);
  const end = points.length - 1;
  let from = points.length;
  while (from > 0 && apart[from - 1] && sign(from - 1) === sign(end)) from--;
  const differs = points.find((point) => point.a !== point.b);
  return {
    differsAt: differs ? differs.step : null,
    divergesAt: from <= end ? points[from].step : null,
    first: means[0][end],
    second: means[1][end],
    last: points[end].step,
  };
}

/** The variance of single points around a slow curve, from the differences of neighbours. */
function scatter(values) {
  let squares = 0;
  for (let i = 1; i < values.length; i++) squares += (values[i] - values[i - 1]) ** 2;
  return squares / (2 * Math.max(1, values.length - 1));
}
