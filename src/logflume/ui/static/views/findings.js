/** The findings of the detectors: numbers, cause, what to try, and the completions that show them. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { functionName, number, time, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { seriesOf, titleOf } from "../parts/curves.js";
import { Faults } from "../parts/run_facts.js";
import { Empty, ErrorLine, severityOf } from "../parts/states.js";

const SHOWN = 4; // completions of a finding
const MAX_SHOWN = 50; // completions of all findings, as many as an answer has
const TEXT = 600;
const NUMBERS = ["value", "before", "threshold", "reward_before", "reward", "function", "other_function"];

/** @param {{run: string, version: string, summary: any}} props */
export function Findings({ run, version, summary }) {
  const { data, error } = useAnswer("alerts", { run }, version);
  const alerts = data?.alerts ?? [];
  const ids = [...new Set(alerts.flatMap((alert) => idsOf(alert).slice(0, SHOWN)))].slice(0, MAX_SHOWN);
  const answered = useAnswer(ids.length ? "outputs" : null, { run, id: ids }, ids.length);
  if (error) return html`<${ErrorLine} text=${error} />`;
  if (!data) return null;
  if (!alerts.length) {
    return html`<div><${Faults} summary=${summary} /><${Empty} title="Nothing was found.">
      <p>The processor <code>watch_training</code> raises an alert when rewards, lengths, KL or entropy indicate a problem. It raised none in this run.</p>
      <p><code>logflume diagnose</code> looks for the same problems in a run that was logged without it.</p><//></div>`;
  }
  const outputs = answered.data && new Map(answered.data.outputs.map((output) => [output.id, output]));
  return html`<div><${ErrorLine} text=${answered.error} /><${Faults} summary=${summary} />
    ${alerts.map((alert) => html`<${Finding} key=${`${alert.attempt} ${alert.rank} ${alert.seq}`} run=${run} alert=${alert} outputs=${outputs} version=${version} />`)}</div>`;
}

function idsOf(alert) {
  return Array.isArray(alert.completions) ? alert.completions.filter((id) => typeof id === "string") : [];
}

function Finding({ run, alert, outputs, version }) {
  const severity = severityOf(alert);
  const numbers = NUMBERS.filter((name) => name in alert);
  const ids = idsOf(alert);
  const known = ids.filter((id) => outputs?.has(id)).slice(0, SHOWN).map((id) => outputs.get(id));
  const shown = new Set(known.map((output) => output.id));
  const others = ids.filter((id) => !shown.has(id));
  const isOver = alert.over_since !== undefined;
  return html`<article class=${`panel finding ${severity} ${isOver ? "over" : ""}`} data-alert=${alert.signal}>
    <div class="row"><span class=${`chip ${severity === "info" ? "accent" : severity}`}>${severity}</span>
      <b>${visible(alert.signal)}</b><span class="muted">step ${number(alert.step)}, ${time(alert.timestamp)}</span>
      ${isOver && html`<span class="chip">over since step ${number(alert.over_since)}</span>`}</div>
    <div class="body"><div>
      <p class="message">${withCode(alert.message)}</p>
      <dl>${alert.cause && [html`<dt key="c">cause</dt>`, html`<dd key="c=">${withCode(alert.cause)}</dd>`]}
        ${alert.try_next && [html`<dt key="t">try</dt>`, html`<dd key="t=">${withCode(alert.try_next)}</dd>`]}
        ${numbers.length > 0 && [html`<dt key="n">numbers</dt>`, html`<dd key="n=" class="facts">${numbers.map((name) => html`<span key=${name}>${name.replaceAll("_", " ")} <b>${number(alert[name])}</b></span>`)}</dd>`]}</dl>
      ${alert.step !== undefined && html`<a href=${url(["run", run, "completions"], { step: alert.step, sort: "-mean" })}>Completions of step ${number(alert.step)}</a>`}
    </div>
    ${alert.metric && html`<${Metric} run=${run} alert=${alert} version=${version} />`}</div>
    ${ids.length > 0 && outputs && html`<div><p class="muted small">Completions that show it${alert.condition ? ` (${visible(alert.condition)})` : ""}:</p>
      <div class="shown-by">${known.map((output) => html`<${Shown} key=${output.id} run=${run} output=${output} />`)}</div>
      ${others.length > 0 && html`<p class="muted small">${known.length > 0 && "and "}${others.map((id, i) => html`${i ? ", " : ""}<a key=${id} href=${url(["run", run, "completions"], { id })}>${visible(id)}</a>`)}</p>`}</div>`}
  </article>`;
}

/** A text with what is between backticks as code. @param {unknown} text */
function withCode(text) {
  const parts = visible(text).split("`");
  if (parts.length % 2 === 0) return parts.join("`"); // an unpaired one
  return parts.map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part));
}

/** A completion that shows a finding. */
function Shown({ run, output }) {
  const text = output.model_output ?? "";
  const rewards = Object.entries(output).filter(([name, value]) => name.startsWith("rewards/") && typeof value === "number");
  const place = { step: output.step, mode: output.mode ?? "train", id: output.id };
  return html`<a href=${url(["run", run, "completions"], place)} data-id=${output.id}>
    <span class="row small rewards">${rewards.map(([name, value]) => html`<span key=${name} class="muted">${functionName(name)} <b>${number(value)}</b></span>`)}
      ${output.truncated && html`<span class="chip warning">truncated</span>`}</span>
    <span class="muted clip" dir="auto">${visible(output.question ?? "")}</span>
    <pre dir="auto">${visible(text.slice(0, TEXT))}${text.length > TEXT ? " …" : ""}</pre></a>`;
}

/** The curve that a finding is about, with a line at its step. */
function Metric({ run, alert, version }) {
  const { data } = useAnswer("curves", { run, name: alert.metric }, version);
  if (!data || !(alert.metric in data.curves)) return null;
  return html`<${Chart} name=${alert.metric} title=${titleOf(alert.metric)} series=${seriesOf(alert.metric, data.curves)}
    marks=${[{ x: alert.step, kind: severityOf(alert), label: visible(alert.signal) }]}
    onPick=${(step) => { location.hash = url(["run", run, "completions"], { step }); }} />`;
}
