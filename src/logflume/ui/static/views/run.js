/** A run: its main curves, the others by name, and what it was started with. */
import { useAnswer } from "../lib/api.js";
import { useAxis } from "../lib/axis.js";
import { html } from "../lib/dom.js";
import { functionKey, functionName, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { CurveControls, useCurveOptions } from "../parts/curve_controls.js";
import { functionCurves, ownCharts, seriesOf, titleOf } from "../parts/curves.js";
import { Glance } from "../parts/glance.js";
import { Found, Names } from "../parts/more_curves.js";
import { Ranks } from "../parts/ranks.js";
import { Facts, Head } from "../parts/run_facts.js";
import { Empty, ErrorLine, severityOf } from "../parts/states.js";
import { System } from "../parts/system.js";

const MAX_FUNCTIONS = 7; // in one chart, as many as there are colours

/** @param {{run: string, query: Record<string, string>, version: string, summary: any}} props */
export function Run({ run, query, version, summary }) {
  const [options, change] = useCurveOptions();
  const main = useAnswer("curves", { run }, version);
  const answered = useAnswer("alerts", { run }, version);
  const { axis, missing } = useAxis(run, options.axis, version);
  const alerts = answered.data?.alerts ?? [];
  const shared = {
    options: { ...options, axis: axis.name },
    marks: marksOf(alerts, summary?.attempts ?? [], axis),
    onPick: (x) => {
      location.hash = url(["run", run, "completions"], { step: axis.stepAt(x) });
    },
    group: "run",
  };
  const names = main.data?.names ?? [];
  const functions = functionCurves(main.data ?? { main: [], curves: {} }).slice(0, MAX_FUNCTIONS);
  const types = new Set(summary?.events ?? []);
  return html`<div>
    <${Head} run=${run} summary=${summary} count=${alerts.length} />
    <${ErrorLine} text=${main.error ?? answered.error} />
    ${summary && html`<${Glance} run=${run} version=${version} isFirst=${!main.data}
      alerts=${answered.data?.alerts ?? (answered.error ? [] : undefined)} types=${types} functions=${functions.map(functionKey)} />`}
    ${main.data && !names.length && html`<${NoCurves} run=${run} status=${summary?.status} types=${types} />`}
    ${summary && names.length > 0 && html`<div>
      <div class="toolbar">
        <${CurveControls} options=${options} onChange=${change} />
        <div class="grow"><input type="search" placeholder=${`Search ${names.length} metrics`}
          aria-label="Search metrics" value=${query.metric ?? ""}
          onInput=${(event) => setQuery({ metric: event.target.value })} /></div>
        <span class="muted small wide-only">click a point: completions of its step · drag: zoom · double-click: reset</span>
      </div>
      ${missing && html`<p class="notice">${missing === "tokens"
        ? "The trainer reported no num_tokens, so the curves are drawn by step."
        : "No step has a time, so the curves are drawn by step."}</p>`}
      <${Found} run=${run} names=${names} search=${query.metric ?? ""} version=${version} axis=${axis} shared=${shared} />
      <div class="charts">
        ${functions.length > 1 && html`<${Chart} name="rewards" title="rewards by function, mean and spread" hasLegend=${true}
          series=${functions.flatMap((name, i) => seriesOf(name, main.data.curves, { axis, color: i, label: functionName(name), hasEval: false }))} ...${shared} />`}
        ${ownCharts(main.data.main).map((name) => html`<${Chart} key=${name} name=${name} title=${titleOf(name)}
          series=${seriesOf(name, main.data.curves, { axis })} ...${shared} />`)}</div>
      <p class="muted small legend-line">${shared.marks.length > 0 && "▾ a finding · ┆ the start of a later attempt · "}dashed: evaluation · band: the standard deviation</p>
    </div>`}
    <${System} run=${run} names=${names} version=${version} axis=${axis} shared=${shared} />
    ${types.has("rank") && html`<${Ranks} run=${run} version=${version} axis=${axis} shared=${shared} />`}
    <${Names} names=${names} main=${main.data?.main ?? []} />
    <${Facts} summary=${summary} />
  </div>`;
}

/** Why there are no curves, and what can be looked at instead. */
function NoCurves({ run, status, types }) {
  const reports = types.has("training") || types.has("evaluation");
  const title = reports ? "The metrics of this run have no step, so there are no curves." : "No metrics have been logged.";
  return html`<${Empty} title=${title}>
    <p>${reports
      ? html`<code>logflume tail ${visible(run)}</code> prints them. In code, <code>set_step</code> or <code>step=…</code> gives them a step.`
      : status === "running" ? "The curves appear with the first step." : html`<code>log.info("training", step=1, loss=…)</code> or <code>attach(trainer)</code> logs them.`}
      ${types.has("model_output") && html` <a href=${url(["run", run, "completions"])}>Its completions</a> were recorded.`}</p><//>`;
}

/** The findings and attempts of a run as lines in its charts. */
function marksOf(alerts, attempts, axis) {
  return [
    ...attempts.map(({ attempt, step }) => ({ x: axis.of(step), kind: "attempt", label: `attempt ${attempt} starts` })),
    ...alerts.map((alert) => ({ x: axis.of(alert.step ?? null), kind: severityOf(alert), label: visible(alert.signal ?? "alert") })),
  ].filter((mark) => typeof mark.x === "number");
}
