/** The curves of a run beside the main ones: those searched for, and the names of all. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Chart } from "./chart.js";
import { seriesOf } from "./curves.js";
import { ErrorLine } from "./states.js";

const MAX_FOUND = 18;

/**
 * The curves whose names contain what was searched for.
 * @param {{run: string, names: string[], search: string, version: string, axis: import("../lib/axis.js").Axis, shared: any}} props
 */
export function Found({ run, names, search, version, axis, shared }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length
    ? names.filter((name) => words.every((word) => name.toLowerCase().includes(word)))
    : [];
  const shown = found.slice(0, MAX_FOUND);
  const { data, error } = useAnswer(shown.length ? "curves" : null, { run, name: shown }, version);
  if (!words.length) return null;
  return html`<div>
    <h2>${found.length ? `${found.length} metrics contain “${visible(search)}”` : `No metric contains “${visible(search)}”`}
      ${found.length > MAX_FOUND && html`<span class="muted"> – the first ${MAX_FOUND}</span>`}</h2>
    <${ErrorLine} text=${error} />
    <div class="charts">${data && shown.map((name) => html`<${Chart} key=${name} name=${name}
      series=${seriesOf(name, data.curves, { axis })} ...${shared} />`)}</div>
    ${found.length > 0 && html`<h2>Main curves</h2>`}
  </div>`;
}

/** All other metrics by name. @param {{names: string[], main: string[]}} props */
export function Names({ names, main }) {
  const others = names.filter((name) => !main.includes(name));
  if (!others.length) return null;
  return html`<details><summary><h2>${number(others.length)} more ${others.length === 1 ? "metric" : "metrics"}</h2></summary>
    <div class="names">${others.map((name) => html`<button class="plain" key=${name}
      title=${visible(name)} onClick=${() => {
        setQuery({ metric: name });
        scrollTo({ top: 0 });
      }}>${visible(name)}</button>`)}</div></details>`;
}

