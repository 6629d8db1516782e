/** Statistics of numbers. */

/** @param {unknown[]} values @returns {number[]} */
export function numbersOf(values) {
  return /** @type {number[]} */ (values.filter((value) => typeof value === "number"));
}

/** @param {number[]} values @returns {number | null} Null without any. */
export function meanOf(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

/** The standard deviation of a sample. @param {number[]} values @returns {number | null} Null for fewer than two. */
export function deviationOf(values) {
  const mean = meanOf(values);
  if (mean === null || values.length < 2) return null;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

const ROUNDING = 1e-9;

/** Whether two numbers differ at most by rounding. @param {number} a @param {number} b */
export function isClose(a, b) {
  return Math.abs(a - b) <= ROUNDING * Math.max(Math.abs(a), Math.abs(b));
}

/** @param {number[]} values @returns {{low: number, high: number}} */
export function rangeOf(values) {
  return { low: Math.min(...values), high: Math.max(...values) };
}

/**
 * The exponential moving mean without the bias of its start, as in TensorBoard. Gaps stay gaps.
 * @param {(number | null)[]} values
 * @param {number} weight Of the mean before a value, from 0 to below 1.
 */
export function smooth(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + value;
    total = total * weight + 1;
    return sum / total;
  });
}
