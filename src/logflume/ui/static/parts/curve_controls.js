/** The controls of how curves are drawn. The browser remembers the choice. */
import { html, useState } from "../lib/dom.js";
import { PLAIN } from "./chart.js";

/** @typedef {import("./chart.js").Options} Options */

const KEY = "logflume-curves";

/** @returns {[Options, (changes: Partial<Options>) => void]} */
export function useCurveOptions() {
  const [options, setOptions] = useState(load);
  const change = (changes) => {
    const next = { ...options, ...changes };
    setOptions(next);
    localStorage.setItem(KEY, JSON.stringify(next));
  };
  return [options, change];
}

function load() {
  try {
    return { ...PLAIN, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return PLAIN;
  }
}

/** @param {{options: Options, onChange: (changes: Partial<Options>) => void}} props */
export function CurveControls({ options, onChange }) {
  return html`<div class="row">
    <span class="segments" role="group" aria-label="The horizontal axis" title="The horizontal axis">
      ${["step", "time", "tokens"].map((name) => html`<button key=${name} aria-pressed=${options.axis === name}
        onClick=${() => onChange({ axis: /** @type {any} */ (name) })}>${name}</button>`)}</span>
    <label>smoothing
      <input type="range" min="0" max="0.98" step="0.02" value=${options.smoothing} aria-label="smoothing"
        onInput=${(event) => onChange({ smoothing: Number(event.target.value) })} />
      <span style=${{ minWidth: "3.5ch" }}>${options.smoothing.toFixed(2)}</span>
    </label>
    <label><input type="checkbox" checked=${options.isLog}
      onChange=${(event) => onChange({ isLog: event.target.checked })} />log</label>
  </div>`;
}
