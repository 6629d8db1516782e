/** The reward from which a completion solves its prompt, if correctness was not measured. */
import { html } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Empty } from "./states.js";

/** @typedef {{unmeasured: number, count: number, rewards: [number, number] | null}} Unmeasured */

/** Shown instead of figures if it is unknown which completions solve their prompt. @param {{of: Unmeasured, query: Record<string, string>}} props */
export function Unmeasured({ of, query }) {
  const share = of.unmeasured === of.count ? "" : ` for ${number(of.unmeasured)} of ${number(of.count)} completions`;
  return html`<${Empty} title=${`Correctness was not measured${share}, so it is unknown which prompts are solved.`}>
    ${of.rewards
      ? html`<${SolvedFrom} query=${query} /><p class="muted small">The total rewards range from ${number(of.rewards[0])} to ${number(of.rewards[1])}.</p>`
      : html`<p>No rewards were recorded either. <code>attach(trainer)</code> records them; with a <code>true_answer</code>, the processor <code>measure_generations</code> measures correctness.</p>`}<//>`;
}

/** @param {{query: Record<string, string>}} props */
export function SolvedFrom({ query }) {
  return html`<p><label>A completion solves its prompt at a total reward of at least
    <input type="number" step="any" value=${query.solved ?? ""} aria-label="Solved from"
      onChange=${(event) => setQuery({ solved: event.target.value })} /></label></p>`;
}
