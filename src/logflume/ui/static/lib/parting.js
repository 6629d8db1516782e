/** Where the curves of two runs part: from which step on they differ by more than their noise. */

const HALF_LIFE = 10; // points of the mean that follows a curve
const WIDTH = 3; // standard errors that count as apart
const MIN_POINTS = 8;

/**
 * @typedef {Object} Parting
 * @property {number | null} differsAt The first step with different values; null: there is none.
 * @property {number | null} partsAt The step from which the means stay apart; null: they do not part.
 * @property {number} first The mean of the last points of both, at the last common step.
 * @property {number} second
 * @property {number} last The last common step.
 */

/**
 * Compare two curves at their common steps. Each is followed by an exponential moving mean with a
 * half-life of 10 points. They part at the first step from which on the difference of the means
 * never again is within three standard errors, which the scatter around the means gives.
 * @param {[number[], (number | null)[]]} a Steps and values.
 * @param {[number[], (number | null)[]]} b
 * @returns {Parting | null} Null: they have fewer than 8 common points.
 */
export function parting(a, b) {
  const ofB = new Map(b[0].map((step, i) => [step, b[1][i]]));
  const points = a[0]
    .map((step, i) => ({ step, a: a[1][i], b: ofB.get(step) }))
    .filter((point) => typeof point.step === "number" && typeof point.a === "number" && typeof point.b === "number");
  if (points.length < MIN_POINTS) return null;
  const weight = 0.5 ** (1 / HALF_LIFE);
  const means = [follow(points.map((point) => point.a), weight), follow(points.map((point) => point.b), weight)];
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
    partsAt: from <= end ? points[from].step : null,
    first: means[0][end],
    second: means[1][end],
    last: points[end].step,
  };
}

/** The exponential moving mean, without the bias of its start. */
function follow(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    sum = sum * weight + value;
    total = total * weight + 1;
    return sum / total;
  });
}

/** The variance of single points around a slow curve, from the differences of neighbours. */
function scatter(values) {
  let squares = 0;
  for (let i = 1; i < values.length; i++) squares += (values[i] - values[i - 1]) ** 2;
  return squares / (2 * Math.max(1, values.length - 1));
}
