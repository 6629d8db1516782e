/** A group as a row: its prompt, the rewards of its completions, mean, spread and solve count. */
import { rewardColor } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { deviationOf, meanOf, numbersOf } from "../lib/statistics.js";

const WIDTH = 132;
const MARGIN = 8;

/**
 * @param {Object} props
 * @param {Record<string, any>} props.group
 * @param {{low: number, high: number}} props.range The range of rewards in the step.
 * @param {boolean} props.isOpen
 * @param {string} props.link
 */
export function GroupRow({ group, range, isOpen, link }) {
  return html`<a class="group-row" href=${link} data-group=${group.key} aria-current=${isOpen ? "true" : undefined}>
    <span class="question" dir="auto">${visible(group.question ?? "(no prompt was logged)")}</span>
    <span class="chips">
      ${group.signal === false && html`<span class="chip warning" title="All rewards are equal, so all advantages are 0">no signal</span>`}
      ${group.truncated > 0 && html`<span class="chip" title="truncated completions">${number(group.truncated)} cut</span>`}
      ${group.partial && html`<span class="chip" title="Not all completions of the batch were recorded">partial</span>`}</span>
    <${Dots} outputs=${group.outputs} range=${range} />
    <span class="solved" title="completions that solve the prompt">${group.solved === null ? "" : `${group.solved}/${group.completions} solved`}</span>
    <span class="mean" title="mean and standard deviation of the reward"><b>${number(group.reward_mean)}</b> ± ${number(group.reward_std)}</span>
  </a>`;
}

/** The rewards as dots, whose size grows with the number of completions. */
function Dots({ outputs, range }) {
  const counts = new Map();
  for (const { reward, matches } of outputs) {
    if (typeof reward !== "number") continue;
    const { count, isMatch } = counts.get(reward) ?? { count: 0, isMatch: false };
    counts.set(reward, { count: count + 1, isMatch: isMatch || matches });
  }
  const size = range.high - range.low || 1;
  return html`<svg class="dots" viewBox=${`0 0 ${WIDTH} 18`} role="img" aria-label="rewards of the completions">
    <line x1="0" x2=${WIDTH} y1="9" y2="9" />
    ${[...counts].map(([reward, { count, isMatch }]) => html`<circle key=${reward}
      cx=${MARGIN + ((reward - range.low) / size) * (WIDTH - 2 * MARGIN)} cy="9" r=${1.8 + Math.min(2 * Math.sqrt(count), 6)}
      style=${{ fill: rewardColor(reward, range.low, range.high), opacity: isMatch ? 1 : 0.2 }}
      ><title>${`${count} × ${number(reward)}`}</title></circle>`)}
  </svg>`;
}

/** The orders of groups: a label, and the comparison of two groups. */
export const ORDERS = {
  "": ["as generated", () => 0],
  "-spread": ["most spread first", (a, b) => (b.reward_std ?? -1) - (a.reward_std ?? -1)],
  mean: ["lowest mean first", (a, b) => (a.reward_mean ?? Infinity) - (b.reward_mean ?? Infinity)],
  "-mean": ["highest mean first", (a, b) => (b.reward_mean ?? -Infinity) - (a.reward_mean ?? -Infinity)],
  solved: ["least solved first", (a, b) => (a.solve_rate ?? 2) - (b.solve_rate ?? 2)],
  "-truncated": ["most truncated first", (a, b) => (b.truncated ?? 0) - (a.truncated ?? 0)],
};

/**
 * Return groups with the rewards of one function: that of each completion, the mean and the spread.
 * @param {Record<string, any>[]} groups
 * @param {string} name The function's column.
 */
export function withRewards(groups, name) {
  return groups.map((group) => {
    const outputs = group.outputs.map((one) => ({ ...one, reward: one.rewards[name] }));
    if (name === "rewards/total") return { ...group, outputs };
    const values = numbersOf(outputs.map((one) => one.reward));
    return { ...group, outputs, reward_mean: meanOf(values), reward_std: deviationOf(values) };
  });
}

/** @param {Record<string, any>[]} groups @param {string} order */
export function sortGroups(groups, order) {
  const [, compare] = ORDERS[order] ?? ORDERS[""];
  return [...groups].sort(compare);
}
