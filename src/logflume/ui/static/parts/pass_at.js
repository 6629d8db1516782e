/** pass@k: pass@1 and pass@k at each step, with their intervals. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { setQuery, url } from "../lib/route.js";
import { Chart } from "./chart.js";
import { ErrorLine } from "./states.js";

/** @param {{run: string, query: Record<string, string>, version: string, most: number}} props `most`: the size of the largest groups. */
export function PassAt({ run, query, version, most }) {
  const k = Number(query.k ?? Math.min(4, most));
  const one = useAnswer("pass_at", { run, k: 1, solved: query.solved }, version);
  const more = useAnswer(k > 1 ? "pass_at" : null, { run, k, solved: query.solved }, version);
  const rows = (answer) => answer.data?.pass_at ?? [];
  const modes = ["train", "eval"].filter((mode) => rows(one).some((row) => row.mode === mode && row.step !== null));
  if (!modes.length) return null;
  return html`<section class="section"><h2>pass@k</h2>
    <div class="row"><label>k <input type="number" min="1" max=${most} value=${k} aria-label="k" onChange=${(event) => setQuery({ k: event.target.value })} /></label>
      <span class="muted small">The probability that at least one of k completions solves its prompt, at each step. The band is its 95% interval.</span></div>
    <${ErrorLine} text=${more.error} />
    ${more.data && modes.filter((mode) => !line(rows(more), "", 0, mode).y.some((y) => y !== null)).map((mode) => html`<p class="muted small" key=${mode}>
      pass@${k} is unknown ${mode === "eval" ? "in evaluations" : "in training"}: it needs prompts with at least ${k} recorded completions at a step.</p>`)}
    <div class="charts">${modes.map((mode) => html`<${Chart} key=${mode} name=${`pass@k ${mode}`} hasLegend=${true}
      title=${mode === "eval" ? "pass@k, evaluation" : "pass@k"}
      series=${[line(rows(one), "pass@1", 0, mode), ...(k > 1 ? [line(rows(more), `pass@${k}`, 1, mode)] : [])]}
      onPick=${(step) => { location.hash = url(["run", run, "completions"], { step, mode }); }} />`)}</div></section>`;
}

function line(list, label, color, mode) {
  const of = list.filter((row) => row.mode === mode && row.step !== null);
  const values = (name) => of.map((row) => row[name] ?? null);
  return { label, color, x: of.map((row) => row.step), y: values("value"), band: [values("low"), values("high")] };
}
