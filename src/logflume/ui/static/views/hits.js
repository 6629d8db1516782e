/** The completions of all steps that match a filter. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { Empty, ErrorLine } from "../parts/states.js";

/** @param {{run: string, filter: Record<string, string>, found: RegExp | null}} props */
export function Hits({ run, filter, found }) {
  const { data, error, isLoading } = useAnswer("search", { run, ...filter });
  if (error) return html`<${ErrorLine} text=${error} />`;
  if (!data) return html`<p class="muted">Searching all steps …</p>`;
  if (!data.hits.length) return html`<${Empty} title="No completion of this run matches." />`;
  return html`<div>
    <p class="muted">${number(data.count)} completions match${data.count > data.hits.length ? `; these are the first ${data.hits.length}` : ""}${isLoading ? " …" : ""}</p>
    <div class="panel">${data.hits.map((hit) => html`<a class="hit" key=${hit.id} data-id=${hit.id}
      href=${url(["run", run, "completions"], { step: hit.step, mode: hit.mode, id: hit.id, ...filter })}>
      <span class="muted nowrap">step ${number(hit.step)}</span>
      <b>${number(hit["rewards/total"])}</b>
      <span class="clip" dir="auto">${snippet(hit.question, found)}</span>
      <span class="mono clip">${snippet(hit.snippet, found)}</span></a>`)}</div>
  </div>`;
}

function snippet(text, found) {
  const line = text.replace(/\s+/g, " ");
  const match = found && new RegExp(found.source, found.flags.replace("g", "")).exec(line);
  if (!match || !match[0]) return visible(line);
  const end = match.index + match[0].length;
  return [visible(line.slice(0, match.index)), html`<mark>${visible(match[0])}</mark>`, visible(line.slice(end))];
}
