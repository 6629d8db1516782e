/** Runs over each other: what differs in their settings, and their curves. */
import { get, useVersion } from "../lib/api.js";
import { seriesVariable } from "../lib/colors.js";
import { html, useEffect, useState } from "../lib/dom.js";
import { number, plain, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "../parts/chart.js";
import { CurveControls, useCurveOptions } from "../parts/curve_controls.js";
import { ownCharts, seriesOf, titleOf } from "../parts/curves.js";
import { Empty, ErrorLine, Status } from "../parts/states.js";

const MAX_FOUND = 18;

/** @param {{runs: string[], query: Record<string, string>}} props */
export function Compare({ runs, query }) {
  const [options, change] = useCurveOptions();
  const version = useVersion(runs);
  const search = query.metric ?? "";
  const { answers, errors } = useRuns(runs, search, version);
  if (runs.length < 2) {
    return html`<${Empty} title="Comparing takes two runs."><a href="#/">Select them in the list</a><//>`;
  }
  const shown = answers.filter(Boolean);
  const names = [...new Set(shown.flatMap((answer) => (search ? answer.found : answer.curves.main)))];
  const steps = { ...options, axis: /** @type {const} */ ("step") };
  return html`<div>
    ${errors.map((error, i) => error && html`<${ErrorLine} key=${runs[i]} text=${`${runs[i]}: ${error}`} />`)}
    <div class="panel scroll-x"><table><tbody>${runs.map((run, i) => html`<tr key=${run} data-run=${run}>
      <td style=${{ width: "20px" }}><i class="swatch" style=${{ background: seriesVariable(i) }}></i></td>
      <td><a href=${url(["run", run])}>${visible(run)}</a></td>
      <td>${answers[i] && html`<${Status} status=${answers[i].info.status} />`}</td>
      <td class="muted">${answers[i] && `step ${number(answers[i].info.last_step)}`}</td></tr>`)}</tbody></table></div>
    <${Settings} runs=${runs} answers=${answers} />
    <div class="toolbar"><${CurveControls} options=${steps} onChange=${change} hasTime=${false} />
      <div class="grow"><input type="search" placeholder="Search metrics" aria-label="Search metrics" value=${search}
        onInput=${(event) => setQuery({ metric: event.target.value })} /></div></div>
    ${shown.length > 0 && !names.length && html`<${Empty} title=${search ? "No run has such a metric." : "No step has been logged yet."} />`}
    <div class="charts">${ownCharts(names).slice(0, search ? MAX_FOUND : names.length).map((name) => html`<${Chart} key=${name} name=${name} title=${titleOf(name)}
      options=${steps} group="compare" series=${runs.flatMap((run, i) => answers[i]
        ? seriesOf(name, answers[i].curves.curves, { color: i, label: `${run} `, hasSpread: false }) : [])} />`)}</div>
  </div>`;
}

/** Hyperparameters and versions that differ. */
function Settings({ runs, answers }) {
  if (answers.some((answer) => !answer) || !answers.length) return null;
  const of = answers.map(({ info }) => ({
    ...info.hyperparameters,
    ...Object.fromEntries(Object.entries(info.versions).map(([name, version]) => [`version of ${name}`, version])),
    "git commit": info.git_commit,
    host: info.host,
  }));
  const names = [...new Set(of.flatMap(Object.keys))].filter(
    (name) => new Set(of.map((settings) => JSON.stringify(settings[name] ?? null))).size > 1,
  );
  if (!names.length) return html`<p class="muted" style=${{ marginTop: "10px" }}>Their settings are equal.</p>`;
  return html`<div><h2>What differs</h2><div class="panel scroll-x differences"><table>
    <thead><tr><th>setting</th>${runs.map((run, i) => html`<th key=${run}><i class="swatch" style=${{ background: seriesVariable(i) }}></i> ${visible(run)}</th>`)}</tr></thead>
    <tbody>${names.map((name) => html`<tr key=${name} data-setting=${name}><td class="muted">${visible(name)}</td>
      ${of.map((settings, i) => html`<td key=${i} class="mono">${plain(settings[name])}</td>`)}</tr>`)}</tbody></table></div></div>`;
}

/** Request what is compared of each run; the others stay when one fails. */
function useRuns(runs, search, version) {
  const [state, setState] = useState({ answers: [], errors: [] });
  useEffect(() => {
    if (version === null) return undefined;
    const aborter = new AbortController();
    const one = async (run) => {
      const info = await get("run", { run }, aborter.signal);
      let curves = await get("curves", { run }, aborter.signal);
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const found = curves.names.filter((name) => words.every((word) => name.toLowerCase().includes(word))).slice(0, MAX_FOUND);
      if (words.length && found.length) curves = await get("curves", { run, name: found }, aborter.signal);
      return { info, curves, found };
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
