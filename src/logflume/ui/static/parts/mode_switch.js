/** The choice between training and evaluation, which is shown only where there are both. */
import { html } from "../lib/dom.js";
import { setQuery } from "../lib/route.js";

/** @param {{modes: string[], mode: string, reset?: Record<string, string>}} props `reset`: what of the URL depends on the mode. */
export function ModeSwitch({ modes, mode, reset = {} }) {
  if (modes.length < 2) return null;
  return html`<span class="segments" role="group" aria-label="Mode">${modes.map((one) => html`<button key=${one} data-mode=${one}
    aria-pressed=${one === mode} onClick=${() => setQuery({ mode: one, ...reset })}>${one === "eval" ? "evaluation" : "training"}</button>`)}</span>`;
}
