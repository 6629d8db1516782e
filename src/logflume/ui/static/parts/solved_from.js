/** Asks from which reward a completion solves its prompt, where correctness was not measured. */
import { html } from "../lib/dom.js";
import { setQuery } from "../lib/route.js";

/** @param {{query: Record<string, string>}} props */
export function SolvedFrom({ query }) {
  return html`<p><label>A completion solves its prompt from a reward of
    <input type="number" step="any" value=${query.solved ?? ""} aria-label="Solved from"
      onChange=${(event) => setQuery({ solved: event.target.value })} /></label></p>`;
}
