/** The description of a run: its state, and what it was started with. */
import { html, useState } from "../lib/dom.js";
import { duration, number, plain, time, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { Status } from "./states.js";

/** @param {{run: string, summary: any, count: number}} props */
export function Head({ run, summary, count }) {
  if (!summary) return html`<h1>${visible(run)}</h1>`;
  return html`<div>
    <div class="row"><h1>${visible(run)}</h1><${Status} status=${summary.status} />
      ${summary.tags.map((tag) => html`<span class="chip" key=${tag}>${visible(tag)}</span>`)}
      ${count > 0 && html`<a class="chip warning" href=${url(["run", run, "findings"])}
        >${count} ${count === 1 ? "finding" : "findings"}</a>`}</div>
    <div class="facts">
      <span>step <b>${number(summary.last_step)}</b></span>
      <span>started <b>${time(summary.started)}</b></span>
      ${summary.duration_s !== null && html`<span>took <b>${duration(summary.duration_s)}</b></span>`}
      ${summary.attempt > 0 && html`<span>attempt <b>${summary.attempt}</b></span>`}
      ${summary.ranks.length > 1 && html`<span><b>${summary.ranks.length}</b> ranks</span>`}
      ${summary.host && html`<span>on <b>${visible(summary.host)}</b></span>`}
    </div>
    ${summary.notes && html`<p>${visible(summary.notes)}</p>`}
    ${summary.earlier_steps && html`<p class="muted">step ${number(summary.last_step)} is the last one; ${summary.earlier_steps}</p>`}
    ${summary.rank_note && html`<p class="error">${visible(summary.rank_note)}</p>`}
    ${summary.exception && html`<p class="error">${visible(summary.exception)}</p>`}
    <${Faults} summary=${summary} />
  </div>`;
}

/** What was recorded incompletely, and why. @param {{summary: any}} props */
export function Faults({ summary }) {
  return (summary?.faults ?? []).map((fault, i) => html`<p class="notice" key=${i}>${
    visible(fault.message ?? fault.reason ?? "the pipeline reported a fault")}</p>`);
}

/** Hyperparameters, versions, command, and messages. @param {{summary: any}} props */
export function Facts({ summary }) {
  const [search, setSearch] = useState("");
  if (!summary) return null;
  const settings = Object.entries(summary.hyperparameters).filter(
    ([name, value]) => value !== null && `${name} ${value}`.toLowerCase().includes(search.toLowerCase()),
  );
  const about = {
    command: summary.command,
    "git commit": summary.git_commit,
    host: summary.host,
    ...summary.versions,
  };
  const known = Object.entries(about).filter(([, value]) => value);
  return html`<div>
    ${Object.keys(summary.hyperparameters).length > 0 && html`<div>
      <div class="row heading"><h2>Hyperparameters</h2><input type="search" style=${{ width: "180px" }}
        placeholder="Filter" aria-label="Filter hyperparameters" value=${search}
        onInput=${(event) => setSearch(event.target.value)} /></div>
      <dl class="settings panel pad">${settings.map(setting)}</dl></div>`}
    ${known.length > 0 && html`<div><h2>Started with</h2>
      <dl class="settings panel pad">${known.map(setting)}</dl></div>`}
    ${summary.messages.length > 0 && html`<div>
      <h2>Messages${summary.messages_omitted ? `, the last ${summary.messages.length} of ${summary.messages.length + summary.messages_omitted}` : ""}</h2>
      <div class="panel messages"><table><tbody>${summary.messages.map((message, i) => html`<tr key=${i}>
        <td class="muted nowrap">${time(message.timestamp)}</td>
        <td><span class=${`chip ${message.level === "warning" ? "warning" : message.level === "error" ? "critical" : ""}`}>${visible(message.level)}</span></td>
        <td><pre>${visible(message.message)}</pre></td></tr>`)}</tbody></table></div></div>`}
  </div>`;
}

function setting([name, value]) {
  return html`<div key=${name}><dt>${visible(name)}</dt><dd>${plain(value)}</dd></div>`;
}
