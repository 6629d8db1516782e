/** What lists of prompts show of a visit: its solve rate, or its mean reward if correctness wasn't measured. */
import { number, percent } from "../lib/format.js";

/**
 * @typedef {[number | null, string, number | null, number | null]} Seen Step, mode, mean reward and solve rate of a visit.
 * @typedef {Object} Measure
 * @property {string} title
 * @property {(visit: Seen) => number | null} of
 * @property {(value: number | null) => string} text
 * @property {number} low
 * @property {number} high
 */

/** @param {{measure: string, range: [number, number]}} answer @returns {Measure} */
export function measureOf({ measure, range: [low, high] }) {
  return measure === "solve_rate"
    ? { title: "solve rate", of: (visit) => visit[3], text: percent, low, high }
    : { title: "mean reward", of: (visit) => visit[2], text: number, low, high };
}

/** @param {Seen} visit */
export function visitText([step, mode, reward, rate]) {
  return `step ${number(step)}${mode === "eval" ? ", evaluation" : ""}: solved ${percent(rate)}, mean reward ${number(reward)}`;
}
