/** The curves of a run besides the main ones: those found by a search, and the names of the others. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Chart } from "./chart.js";
import { MAX_FOUND, matchingNames, seriesOf } from "./curves.js";
import { ErrorLine } from "./states.js";

/**
 * The curves whose names contain each word of the search.
 * @param {{run: string, names: string[], search: string, version: string, axis: import("../lib/axis.js").Axis, shared: any}} props
 */
export function Found({ run, names, search, version, axis, shared }) {
  const found = matchingNames(names, search);
  const shown = found.slice(0, MAX_FOUND);
  const { data, error } = useAnswer(shown.length ? "curves" : null, { run, name: shown }, version);
  if (!search.trim()) return null;
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

