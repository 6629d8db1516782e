/** The filters of completions; the URL holds them. */
import { html, useEffect, useState } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { ORDER_NAMES } from "./group_row.js";

const TYPING_MS = 250;
const BINS = 24;
export const FILTERS = ["search", "regex", "min", "max", "correct", "truncated", "tool_failed"];

/** @param {Record<string, string>} query What of a URL's query filters completions. */
export function filterOf(query) {
  return Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));
}

/** @param {{query: Record<string, string>, rewards: number[], hasTools: boolean}} props */
export function Filters({ query, rewards, hasTools }) {
  const [text, setText] = useState(query.search ?? "");
  useEffect(() => {
    if (text === (query.search ?? "")) return undefined;
    const timer = setTimeout(() => setQuery({ search: text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const isSet = FILTERS.some((name) => query[name]);
  const check = (name, label) => html`<label><input type="checkbox" checked=${query[name] === "1"}
    onChange=${(event) => setQuery({ [name]: event.target.checked ? "1" : "" })} />${label}</label>`;
  return html`<div class="filters">
    <div class="text"><input type="search" value=${text} placeholder="Text in completion or prompt  ( / )"
      aria-label="Search text" id="search" onInput=${(event) => setText(event.target.value)} /></div>
    ${check("regex", "regex")}
    <select aria-label="Correctness" value=${query.correct ?? ""} onChange=${(event) => setQuery({ correct: event.target.value })}>
      <option value="">correct or wrong</option><option value="1">correct</option><option value="0">wrong</option>
    </select>
    ${check("truncated", "truncated")}
    ${hasTools && check("tool_failed", "failed tool call")}
    <label>reward
      <input type="number" step="any" placeholder="min" aria-label="Minimum reward" value=${query.min ?? ""}
        onChange=${(event) => setQuery({ min: event.target.value })} />
      <input type="number" step="any" placeholder="max" aria-label="Maximum reward" value=${query.max ?? ""}
        onChange=${(event) => setQuery({ max: event.target.value })} /></label>
    <${Histogram} rewards=${rewards} query=${query} />
    <label>order <select aria-label="Order of the groups" value=${query.sort ?? ""}
      onChange=${(event) => setQuery({ sort: event.target.value })}>
      ${Object.entries(ORDER_NAMES).map(([name, label]) => html`<option value=${name} key=${name}>${label}</option>`)}
    </select></label>
    ${isSet && html`<button onClick=${() => {
      setText("");
      setQuery(Object.fromEntries(FILTERS.map((name) => [name, ""])));
    }}>Clear</button>`}
  </div>`;
}

/** The rewards of the step; a click on a bar filters by its range. */
function Histogram({ rewards, query }) {
  if (rewards.length < 2) return null;
  const low = Math.min(...rewards);
  const high = Math.max(...rewards);
  if (low === high) return null;
  const width = (high - low) / BINS;
  const counts = new Array(BINS).fill(0);
  for (const reward of rewards) counts[Math.min(BINS - 1, Math.floor((reward - low) / width))]++;
  const most = Math.max(...counts);
  const [min, max] = [Number(query.min || -Infinity), Number(query.max || Infinity)];
  const isFiltered = Boolean(query.min || query.max);
  return html`<div class="histogram" role="group" aria-label="Histogram of rewards">
    ${counts.map((count, i) => {
      const [from, to] = [low + i * width, low + (i + 1) * width];
      const isChosen = isFiltered && from + width / 2 >= min && from + width / 2 <= max;
      const label = `${count} completions with a reward from ${number(from)} to ${number(to)}`;
      return html`<button key=${i} class=${isChosen ? "chosen" : ""} title=${label} aria-label=${label}
        style=${{ height: count ? `${4 + (count / most) * 30}px` : "1px" }}
        onClick=${() => setQuery(isChosen ? { min: "", max: "" } : { min: round(from, -1), max: round(to, 1) })}></button>`;
    })}
  </div>`;
}

/** A short number that is not inside the range. */
function round(value, sign) {
  const digits = 1e4;
  return (sign < 0 ? Math.floor(value * digits) : Math.ceil(value * digits)) / digits;
}
