/** From which reward on a completion solves its prompt, where correctness was not measured. */
import { html } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Empty } from "./states.js";

/** @typedef {{unmeasured: number, count: number, rewards: [number, number] | null}} Unmeasured */

/** What is shown where it is unknown which completions solve their prompt. @param {{of: Unmeasured, query: Record<string, string>}} props */
export function Unmeasured({ of, query }) {
  const share = of.unmeasured === of.count ? "" : ` of ${number(of.unmeasured)} of ${number(of.count)} completions`;
  return html`<${Empty} title=${`The correctness${share} was not measured, so it is unknown which prompts are solved.`}>
    ${of.rewards
      ? html`<${SolvedFrom} query=${query} /><p class="muted small">The total rewards go from ${number(of.rewards[0])} to ${number(of.rewards[1])}.</p>`
      : html`<p>There are no rewards to decide it by, either. <code>attach(trainer)</code> records them; with a <code>true_answer</code>, the processor <code>measure_generations</code> measures correctness.</p>`}<//>`;
}

/** @param {{query: Record<string, string>}} props */
export function SolvedFrom({ query }) {
  return html`<p><label>A completion solves its prompt from a total reward of
    <input type="number" step="any" value=${query.solved ?? ""} aria-label="Solved from"
      onChange=${(event) => setQuery({ solved: event.target.value })} /></label></p>`;
}
