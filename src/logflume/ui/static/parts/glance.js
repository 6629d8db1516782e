/** An overview of a run: its findings, its prompts, and what drives its advantages. */
import { useAnswer } from "../lib/api.js";
import { seriesVariable } from "../lib/colors.js";
import { html } from "../lib/dom.js";
import { functionName, number, percent, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { ErrorLine, bySeverity, severityOf } from "./states.js";

const MAX_FINDINGS = 3;
const DOMINANT = 0.8;

const CHANGES = [
  ["newly_solved", "newly solved"],
  ["forgotten", "forgotten"],
  ["never", "never solved"],
  ["always", "always solved"],
];

/**
 * @param {Object} props
 * @param {string} props.run
 * @param {string} props.version
 * @param {boolean} props.isFirst Whether the curves are still missing, which are requested first.
 * @param {any[]} [props.alerts] None before they have arrived.
 * @param {Set<string>} props.types The event types of the run.
 * @param {string[]} props.functions In the order of their colours.
 */
export function Glance({ run, version, isFirst, alerts, types, functions }) {
  const hasPrompts = types.has("model_output");
  return html`<div class="glance">
    ${alerts?.length > 0 && html`<${Findings} run=${run} alerts=${alerts} />`}
    ${!alerts && types.has("alert") && html`<${Expected} title="Findings" lines=${3} />`}
    ${functions.length > 1 && (hasPrompts || types.has("reward")) && html`<${Drivers} run=${run} version=${version} functions=${functions} />`}
    ${hasPrompts && html`<${PromptCounts} run=${run} version=${version} isFirst=${isFirst} />`}
  </div>`;
}

/** A panel in place of one whose contents are on the way, so that the charts below stay where they are. */
function Expected({ title, lines, error = null }) {
  return html`<section class="panel pad"><h3>${title}</h3><${ErrorLine} text=${error} />
    ${!error && html`<div class="muted" style=${{ minHeight: `${1.5 * lines}em` }}>…</div>`}</section>`;
}

function Findings({ run, alerts }) {
  const first = bySeverity(alerts).slice(0, MAX_FINDINGS);
  const more = alerts.length - first.length;
  return html`<section class="panel pad" data-section="findings"><h3><a href=${url(["run", run, "findings"])}>${alerts.length} ${alerts.length === 1 ? "finding" : "findings"}</a></h3>
    <ul>${first.map((alert) => html`<li key=${alert.seq}><a href=${url(["run", run, "findings"])} class="quiet">
      <i class=${`dot ${severityOf(alert)}`}></i>
      step ${number(alert.step)}: ${visible(alert.message ?? alert.signal)}</a></li>`)}</ul>
    ${more > 0 && html`<a href=${url(["run", run, "findings"])}>${more} more</a>`}</section>`;
}

function PromptCounts({ run, version, isFirst }) {
  const { data, error } = useAnswer(isFirst ? null : "prompts", { run, limit: 1 }, version, true);
  const link = (query) => url(["run", run, "prompts"], query);
  return html`<section class="panel pad"><h3><a href=${link({})}>${data?.all === undefined ? "Prompts" : `${number(data.all)} ${data.all === 1 ? "prompt" : "prompts"}`}</a></h3>
    <${ErrorLine} text=${error} />
    ${data?.unmeasured
      ? html`<p class="muted">Correctness was not measured. ${data.unmeasured.rewards
        ? html`<a href=${link({})}>Choose a reward</a> at which a completion solves its prompt.`
        : "No rewards were recorded either."}</p>`
      : !error && html`<ul class="counts">${CHANGES.map(([name, label]) => html`<li key=${name}><a href=${link({ change: name })}><b>${data ? number(data.counts[name] ?? 0) : "…"}</b><span>${label}</span></a></li>`)}</ul>`}
  </section>`;
}

/** The shares of the reward functions in the advantages, at the beginning and at the end of the run. */
function Drivers({ run, version, functions }) {
  const { data, error } = useAnswer("reward_shares", { run }, version, true);
  const title = "What drives the advantages";
  if (!data) return html`<${Expected} title=${title} error=${error} lines=${9} />`;
  const { windows } = data;
  if (!windows.length) return null;
  const last = windows[windows.length - 1];
  const known = last.functions.filter((one) => one.share !== null);
  const most = known.reduce((a, b) => (b.share > a.share ? b : a), known[0]);
  const color = (name) => seriesVariable(Math.max(0, functions.indexOf(name)));
  return html`<section class="panel pad" data-section="drivers"><h3>${title}</h3>
    <p>${most ? html`<b>${functionName(most.name)}</b>${most.share >= DOMINANT ? " dominates: " : " weighs most: "}
      ${percent(most.share)} of the differences within groups, ${stepsOf(last)}.`
      : "Nothing: all rewards of each group are equal."}</p>
    ${windows.length > 1 && html`<${Growth} first=${windows[0]} last=${last} />`}
    <div class="share-rows">${windows.map((window) => [
      html`<span key=${`steps ${window.first}`} class="muted small nowrap">${stepsOf(window)}</span>`,
      html`<span key=${window.first} class="stack" role="img" aria-label="shares of the reward functions">${window.functions.filter((one) => one.share > 0).map((one) => html`<i key=${one.name}
        style=${{ flexGrow: one.share, background: color(one.name) }} title=${`${functionName(one.name)}: ${percent(one.share)}`}></i>`)}</span>`,
    ])}</div>
    <div class="names-row">${last.functions.map((one) => html`<span key=${one.name} class="nowrap"><i class="swatch" style=${{ background: color(one.name) }}></i>
      <span class="clip" title=${functionName(one.name)}>${functionName(one.name)}</span> <b>${percent(one.share)}</b>
      <span class="muted" title="mean reward in the first and in the last of these steps">mean ${number(meanOf(windows[0], one.name))} → ${number(one.mean)}</span></span>`)}</div>
  </section>`;
}

/** The contribution of each function to the change of the reward. */
function Growth({ first, last }) {
  const gains = last.functions
    .map((one) => ({ name: one.name, gain: one.weight * ((one.mean ?? 0) - (meanOf(first, one.name) ?? 0)) }))
    .sort((a, b) => Math.abs(b.gain) - Math.abs(a.gain));
  const total = gains.reduce((sum, one) => sum + one.gain, 0);
  const signed = (value) => `${value >= 0 ? "+" : "−"}${number(Math.abs(value))}`;
  return html`<p class="muted">The reward changed by <b>${signed(total)}</b> since ${stepsOf(first)}:
    ${gains.map((one, i) => html`<span key=${one.name}>${i ? ", " : " "}${functionName(one.name)} <b>${signed(one.gain)}</b></span>`)}.</p>`;
}

function stepsOf({ first, last }) {
  return first === last ? `step ${number(first)}` : `steps ${number(first)} to ${number(last)}`;
}

function meanOf(window, name) {
  return window.functions.find((one) => one.name === name)?.mean;
}
