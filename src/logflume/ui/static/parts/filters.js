/** The filters of completions, which are in the URL. */
import { html } from "../lib/dom.js";
import { functionName } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { Condition } from "./condition.js";
import { ORDERS } from "./group_row.js";
import { Histogram } from "./histogram.js";
import { SearchBox } from "./search_box.js";

const TOTAL = "rewards/total";
const FILTERS = ["search", "regex", "reward", "min", "max", "correct", "truncated", "tool_failed", "where"];
const HOW = ["regex", "reward"]; // they exclude nothing by themselves

/** The part of a URL's query that filters completions. @param {Record<string, string>} given `filter` is another name of `search`. */
export function filterOf(given) {
  const query = { ...given, search: given.search ?? given.filter };
  return Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));
}

/** Whether a filter excludes anything. @param {Record<string, string>} filter */
export function isFiltering(filter) {
  return Object.keys(filter).some((name) => !HOW.includes(name));
}

/**
 * @param {Object} props
 * @param {string} props.run
 * @param {number} props.step
 * @param {Record<string, string>} props.query
 * @param {string[]} props.functions The columns of rewards.
 * @param {number[]} props.rewards The rewards of the chosen function.
 * @param {boolean} props.hasTools
 */
export function Filters({ run, step, query, functions, rewards, hasTools }) {
  const searched = query.search ?? query.filter ?? "";
  const isSet = Boolean(searched) || FILTERS.some((name) => query[name]);
  const check = (name, label) => html`<label><input type="checkbox" checked=${query[name] === "1"}
    onChange=${(event) => setQuery({ [name]: event.target.checked ? "1" : "" })} />${label}</label>`;
  const clear = () => setQuery(Object.fromEntries([...FILTERS, "filter", "all"].map((name) => [name, ""])));
  return html`<div class="filters">
    <div class="text"><${SearchBox} id="search" value=${searched} placeholder="Search text  ( / )" label="Search text"
      onChange=${(text) => setQuery({ search: text, filter: "" })} /></div>
    ${check("regex", "regex")}
    <select aria-label="Correctness" value=${query.correct ?? ""} onChange=${(event) => setQuery({ correct: event.target.value })}>
      <option value="">correct or wrong</option><option value="1">correct</option><option value="0">wrong</option>
    </select>
    ${check("truncated", "truncated")}
    ${(hasTools || query.tool_failed) && check("tool_failed", "failed tool call")}
    <span class="row reward-filter">
      <select aria-label="Reward function" value=${query.reward ?? TOTAL}
        onChange=${(event) => setQuery({ reward: event.target.value === TOTAL ? "" : event.target.value, min: "", max: "" })}>
        ${functions.map((name) => html`<option key=${name} value=${name}>${name === TOTAL ? "total reward" : functionName(name)}</option>`)}</select>
      <input type="number" step="any" placeholder="min" aria-label="Minimum reward" value=${query.min ?? ""}
        onChange=${(event) => setQuery({ min: event.target.value })} />
      <input type="number" step="any" placeholder="max" aria-label="Maximum reward" value=${query.max ?? ""}
        onChange=${(event) => setQuery({ max: event.target.value })} />
      <${Histogram} rewards=${rewards} query=${query} /></span>
    <label>order <select aria-label="Order of the groups" value=${query.sort ?? ""}
      onChange=${(event) => setQuery({ sort: event.target.value })}>
      ${Object.entries(ORDERS).map(([name, [label]]) => html`<option value=${name} key=${name}>${label}</option>`)}
    </select></label>
    ${isSet && html`<button onClick=${clear}>Clear</button>`}
    <${Condition} run=${run} step=${step} query=${query} />
  </div>`;
}
