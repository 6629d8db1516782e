/** Colours that are distinct for any colour vision. Their values are in `style/base.css`. */

const SERIES = 7;

/** @param {number} index */
export function seriesVariable(index) {
  return `var(--series-${index % SERIES})`;
}

/** The value of a colour, for canvases. @param {string} name Such as `--line`. */
export function resolve(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @param {number} index */
export function seriesColor(index) {
  return resolve(`--series-${index % SERIES}`);
}

/**
 * The colour of a reward within a range.
 * @param {unknown} reward
 * @param {number} low
 * @param {number} high
 */
export function rewardColor(reward, low, high) {
  if (typeof reward !== "number") return "var(--line-strong)";
  const share = high > low ? (reward - low) / (high - low) : 0.5;
  const part = Math.round(Math.min(1, Math.max(0, share)) * 100);
  return `color-mix(in oklab, var(--reward-high) ${part}%, var(--reward-low))`;
}
