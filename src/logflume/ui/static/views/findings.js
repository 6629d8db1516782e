/** What the detectors found, in time: numbers, cause, what to try, and the completions behind it. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, time, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { seriesOf } from "../parts/curves.js";
import { Empty, ErrorLine } from "../parts/states.js";

const SEVERITIES = ["info", "warning", "critical"];

/** @param {{run: string, version: string}} props */
export function Findings({ run, version }) {
  const { data, error } = useAnswer("alerts", { run }, version);
  if (error) return html`<${ErrorLine} text=${error} />`;
  if (!data) return null;
  if (!data.alerts.length) {
    return html`<${Empty} title="Nothing was found.">
      <p>The processor <code>watch_training</code> raises an alert when rewards, lengths, KL or entropy move in a way that needs a look. It raised none in this run.</p><//>`;
  }
  return html`<div>${data.alerts.map((alert) => html`<${Finding} key=${`${alert.attempt} ${alert.rank} ${alert.seq}`} run=${run} alert=${alert} version=${version} />`)}</div>`;
}

function Finding({ run, alert, version }) {
  const severity = SEVERITIES.includes(alert.severity) ? alert.severity : "warning";
  const numbers = ["value", "before", "threshold", "reward_before", "reward", "function", "other_function"].filter((name) => name in alert);
  const ids = Array.isArray(alert.completions) ? alert.completions : [];
  return html`<article class=${`panel finding ${severity}`} data-alert=${alert.signal}>
    <div class="row"><span class=${`chip ${severity === "info" ? "accent" : severity}`}>${severity}</span>
      <b>${visible(alert.signal)}</b><span class="muted">step ${number(alert.step)}, ${time(alert.timestamp)}</span></div>
    <div class="body"><div>
      <p class="message">${visible(alert.message)}</p>
      <dl>${numbers.flatMap((name) => [html`<dt key=${name}>${name.replace("_", " ")}</dt>`, html`<dd key=${`${name}=`}>${number(alert[name])}</dd>`])}
        ${alert.cause && [html`<dt key="c">cause</dt>`, html`<dd key="c=">${visible(alert.cause)}</dd>`]}
        ${alert.try_next && [html`<dt key="t">try</dt>`, html`<dd key="t=">${visible(alert.try_next)}</dd>`]}</dl>
      ${alert.step !== undefined && html`<a href=${url(["run", run, "completions"], { step: alert.step, sort: "-mean" })}>Completions of step ${number(alert.step)}</a>`}
      ${ids.length > 0 && html`<span class="muted"> · shown by ${ids.map((id, i) => html`<a key=${id}
        href=${url(["run", run, "completions"], { step: alert.step, id })}>${visible(id)}</a>${i < ids.length - 1 ? ", " : ""}`)}</span>`}
    </div>
    ${alert.metric && html`<${Metric} run=${run} alert=${alert} version=${version} />`}</div>
  </article>`;
}

/** The curve that the finding is about, with a line where it was found. */
function Metric({ run, alert, version }) {
  const { data } = useAnswer("curves", { run, name: alert.metric }, version);
  if (!data || !(alert.metric in data.curves)) return null;
  return html`<${Chart} name=${alert.metric} series=${seriesOf(alert.metric, data.curves)}
    options=${{ smoothing: 0, isLog: false, axis: "step" }} marks=${[{ x: alert.step, kind: "alert" }]} />`;
}
