/** Several runs compared: their settings, where their curves part, their curves and their prompts. */
import { get, useVersion } from "../lib/api.js";
import { STEPS, makeAxis } from "../lib/axis.js";
import { seriesVariable } from "../lib/colors.js";
import { html, useEffect, useMemo, useState } from "../lib/dom.js";
import { functionName, number, plain, visible } from "../lib/format.js";
import { divergence } from "../lib/divergence.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { CommonPrompts } from "../parts/common_prompts.js";
import { CurveControls, useCurveOptions } from "../parts/curve_controls.js";
import { MAX_FOUND, functionCurves, matchingNames, ownCharts, seriesOf, titleOf } from "../parts/curves.js";
import { Empty, ErrorLine, Status } from "../parts/states.js";

/** @param {{runs: string[], query: Record<string, string>}} props */
export function Compare({ runs, query }) {
  const [options, change] = useCurveOptions();
  const version = useVersion(runs);
  const search = query.metric ?? "";
  const { answers, errors } = useRuns(runs, search, version);
  const axisName = options.axis === "time" ? "elapsed" : options.axis;
  const axes = useMemo(() => answers.map((answer) => answer && makeAxis(axisName, answer.axes)), [answers, axisName]);
  const divergences = useMemo(() => divergencesOf(answers), [answers]);
  if (runs.length < 2) {
    return html`<${Empty} title="Select at least two runs to compare."><a href="#/">All runs</a><//>`;
  }
  const shown = answers.filter(Boolean);
  const names = [...new Set(shown.flatMap((answer) => (search ? answer.found : answer.curves.main)))];
  const without = runs.filter((_, i) => answers[i] && !axes[i]);
  const marksOf = (name) => (axisName === "step" ? (divergences.get(name) ?? []).flatMap((one, i) =>
    one?.divergesAt == null ? [] : [{ x: one.divergesAt, kind: /** @type {const} */ ("divergence"), label: `${runs[i + 1]} diverges from ${runs[0]}` }]) : []);
  return html`<div>
    ${errors.map((error, i) => error && html`<${ErrorLine} key=${runs[i]} text=${`${runs[i]}: ${error}`} />`)}
    <div class="panel scroll-x"><table class="compared"><tbody>${runs.map((run, i) => html`<tr key=${run} data-run=${run}>
      <td style=${{ width: "20px" }}><i class="swatch" style=${{ background: seriesVariable(i) }}></i></td>
      <td><a href=${url(["run", run])}>${visible(run)}</a></td>
      <td>${answers[i] && html`<${Status} status=${answers[i].info.status} />`}</td>
      <td class="muted">${answers[i] && `step ${number(answers[i].info.last_step)}`}</td>
      <td class="muted clip">${answers[i]?.info.notes && visible(answers[i].info.notes)}</td></tr>`)}</tbody></table></div>
    <${Settings} runs=${runs} answers=${answers} />
    <${Divergences} runs=${runs} divergences=${divergences} />
    <div class="toolbar"><${CurveControls} options=${options} onChange=${change} />
      <div class="grow"><input type="search" placeholder="Search metrics" aria-label="Search metrics" value=${search}
        onInput=${(event) => setQuery({ metric: event.target.value })} /></div>
      ${axisName === "elapsed" && html`<span class="muted small">time since the start of each run</span>`}</div>
    ${without.length > 0 && html`<p class="notice">${without.map(visible).join(", ")}: ${axisName === "tokens" ? "the trainer reported no num_tokens" : "no step has a time"}, so ${without.length === 1 ? "it is" : "they are"} not drawn.</p>`}
    ${shown.length > 0 && !names.length && html`<${Empty} title=${search ? "No run has a metric with this name." : "No step has been logged yet."} />`}
    <div class="charts">${ownCharts(names).slice(0, search ? MAX_FOUND : names.length).map((name) => html`<${Chart} key=${name} name=${name} title=${titleOf(name)}
      options=${{ ...options, axis: axisName }} group="compare" marks=${marksOf(name)} series=${runs.flatMap((run, i) => answers[i] && axes[i]
        ? seriesOf(name, answers[i].curves.curves, { axis: axes[i] ?? STEPS, color: i, label: run, hasSpread: false }) : [])} />`)}</div>
    ${divergences.size > 0 && axisName === "step" && html`<p class="muted small legend-line">▾ where a run diverges from ${visible(runs[0])} · dashed: evaluation</p>`}
    <${CommonPrompts} runs=${runs} query=${query} version=${version} />
  </div>`;
}

/** Where each later run diverges from the first one, by metric. @returns {Map<string, (import("../lib/divergence.js").Divergence | null)[]>} */
function divergencesOf(answers) {
  const found = new Map();
  const [first, ...others] = answers;
  if (!first || !others.length) return found;
  for (const name of first.curves.main) {
    const curve = first.curves.curves[name]?.train;
    const list = others.map((other) => {
      const theirs = other?.curves.curves[name]?.train;
      return curve && theirs ? divergence(curve, theirs) : null;
    });
    if (list.some(Boolean)) found.set(name, list);
  }
  return found;
}

function Divergences({ runs, divergences }) {
  if (!divergences.size) return null;
  const first = (list) => Math.min(...list.map((one) => one?.divergesAt ?? Infinity));
  const rows = [...divergences].sort((a, b) => (first(a[1]) === first(b[1]) ? 0 : first(a[1]) - first(b[1])));
  return html`<section class="section" data-section="divergence"><h2>Where they diverge <span class="muted">from ${visible(runs[0])}</span></h2>
    <div class="panel scroll-x differences"><table><thead><tr><th>metric</th>${runs.slice(1).map((run, i) => html`<th key=${run}><i class="swatch" style=${{ background: seriesVariable(i + 1) }}></i> ${visible(run)}</th>`)}</tr></thead>
      <tbody>${rows.map(([name, list]) => html`<tr key=${name} data-divergence=${name}><td class="muted">${titleOf(name)}</td>
        ${list.map((one, i) => html`<td key=${i}>${one === null ? html`<span class="muted">too few common steps</span>` : describe(one)}</td>`)}</tr>`)}</tbody></table></div>
    <p class="muted small">Two curves diverge at the step from which their moving means (half-life 10 points) differ by more than three standard errors up to the last common step.</p></section>`;
}

function describe(one) {
  const start = one.differsAt === null ? "equal at every step" : `values differ from step ${number(one.differsAt)}`;
  if (one.divergesAt === null) return html`<span>${one.differsAt === null ? start : html`within the noise <span class="muted">(${start})</span>`}</span>`;
  return html`<span><b>from step ${number(one.divergesAt)}</b>: ${number(one.second)} against ${number(one.first)} at step ${number(one.last)} <span class="muted">(${start})</span></span>`;
}

/** Hyperparameters and versions that differ. */
function Settings({ runs, answers }) {
  if (answers.some((answer) => !answer) || !answers.length) return null;
  const of = answers.map(({ info, curves }) => ({
    "reward functions": functionCurves(curves).map(functionName).join(", "),
    ...info.hyperparameters,
    ...Object.fromEntries(Object.entries(info.versions).map(([name, version]) => [`version of ${name}`, version])),
    "git commit": info.git_commit,
    host: info.host,
  }));
  const names = [...new Set(of.flatMap(Object.keys))].filter(
    (name) => new Set(of.map((settings) => JSON.stringify(settings[name] ?? null))).size > 1,
  );
  if (!names.length) return html`<p class="muted" style=${{ marginTop: "10px" }}>The configurations of these runs are equal.</p>`;
  return html`<div><h2>What differs in their configuration</h2><div class="panel scroll-x differences"><table>
    <thead><tr><th>setting</th>${runs.map((run, i) => html`<th key=${run}><i class="swatch" style=${{ background: seriesVariable(i) }}></i> ${visible(run)}</th>`)}</tr></thead>
    <tbody>${names.map((name) => html`<tr key=${name} data-setting=${name}><td class="muted">${visible(name)}</td>
      ${of.map((settings, i) => html`<td key=${i} class="mono">${plain(settings[name])}</td>`)}</tr>`)}</tbody></table></div></div>`;
}

/** Request what is compared of each run. If one fails, the others are still shown. */
function useRuns(runs, search, version) {
  const [state, setState] = useState({ answers: [], errors: [] });
  useEffect(() => {
    if (version === null) return undefined;
    const aborter = new AbortController();
    const one = async (run) => {
      const [info, axes] = await Promise.all(["run", "axes"].map((name) => get(name, { run }, aborter.signal)));
      let curves = await get("curves", { run }, aborter.signal);
      const found = matchingNames(curves.names, search).slice(0, MAX_FOUND);
      if (found.length) {
        const more = await get("curves", { run, name: found }, aborter.signal);
        curves = { ...curves, curves: { ...curves.curves, ...more.curves } };
      }
      return { info, axes, curves, found };
    };
    Promise.allSettled(runs.map(one)).then((results) => {
      if (aborter.signal.aborted) return;
      setState({
        answers: results.map((result) => (result.status === "fulfilled" ? result.value : null)),
        errors: results.map((result) => (result.status === "rejected" ? result.reason.message : null)),
      });
    });
    return () => aborter.abort();
  }, [runs.join("\n"), search, version]);
  return state;
}
