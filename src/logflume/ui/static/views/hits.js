/** The completions of all steps that match a filter, the newest steps first. */
import { html } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { useSearch } from "../lib/stream.js";
import { Empty, ErrorLine } from "../parts/states.js";

/** @param {{run: string, filter: Record<string, string>}} props */
export function Hits({ run, filter }) {
  const search = useSearch({ run, ...filter });
  const { hits, error, isSearching, next, more } = search;
  return html`<div>
    <${ErrorLine} text=${error} />
    <${Progress} search=${search} />
    ${!isSearching && !error && !hits.length && html`<${Empty} title="No completion of this run matches." />`}
    ${hits.length > 0 && html`<div class="panel">${hits.map((hit, i) => html`<${Hit} key=${hit.id ?? i} run=${run} filter=${filter} hit=${hit} />`)}</div>`}
    ${!isSearching && next && html`<p><button onClick=${search.goOn}>Show more</button></p>`}
    ${!isSearching && more && !next && html`<p class="muted">More completions match. Narrow the filter to see them.</p>`}
  </div>`;
}

/** The progress of a search. @param {{search: import("../lib/stream.js").Found & {stop: () => void}}} props */
function Progress({ search: { hits, searched, total, isSearching, more, stop } }) {
  const found = `${number(hits.length)}${more || isSearching ? " or more" : ""} completions match`;
  const share = total ? searched / total : 0;
  return html`<div class="row progress" role="status">
    <span class="muted">${hits.length || !isSearching ? `${found}, the newest first` : "Searching all steps …"}</span>
    ${isSearching && html`<progress value=${share} max="1" aria-label="Searched"></progress>
      <span class="muted small">${percent(share)}</span>
      <button class="plain" onClick=${stop}>Stop</button>`}
    ${!isSearching && searched < total && html`<span class="muted small">${number(searched)} of ${number(total)} steps searched</span>`}
  </div>`;
}

function Hit({ run, filter, hit }) {
  return html`<a class="hit" data-id=${hit.id}
    href=${url(["run", run, "completions"], { step: hit.step, mode: hit.mode, id: hit.id, ...filter })}>
    <span class="muted nowrap">step ${number(hit.step)}</span>
    <b>${number(hit["rewards/total"])}</b>
    <span class="clip" dir="auto"><${Snippet} of=${hit.question} /></span>
    <span class="mono clip"><${Snippet} of=${hit.text} /></span></a>`;
}

function Snippet({ of }) {
  const line = (/** @type {string} */ text) => visible(text.replace(/\s+/g, " "));
  return [line(of.before), of.found && html`<mark>${line(of.found)}</mark>`, line(of.after)];
}
