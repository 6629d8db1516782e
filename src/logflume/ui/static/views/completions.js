/** The completions of a step: a row for each group, and an open group. */
import { useAnswer } from "../lib/api.js";
import { useKeys } from "../lib/completion_keys.js";
import { html, useEffect, useMemo } from "../lib/dom.js";
import { number, percent } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { meanOf, numbersOf, rangeOf } from "../lib/statistics.js";
import { Filters, filterOf, isFiltering } from "../parts/filters.js";
import { GroupRow, sortGroups, withRewards } from "../parts/group_row.js";
import { ModeSwitch } from "../parts/mode_switch.js";
import { OpenGroup } from "../parts/open_group.js";
import { Empty, ErrorLine } from "../parts/states.js";
import { Hits } from "./hits.js";

/** @param {{run: string, query: Record<string, string>, version: string, summary: any}} props */
export function Completions({ run, query, version }) {
  useStepOf(run, query);
  const known = useAnswer("steps", { run }, version);
  const stepsOf = useMemo(() => stepsByMode(known.data?.modes ?? {}), [known.data]);
  const modes = [...stepsOf.keys()].sort().reverse();
  const mode = query.mode ?? modeOf(stepsOf, Number(query.step)) ?? modes[0] ?? "train";
  const steps = stepsOf.get(mode) ?? [];
  // Without a step in the URL, the view shows the newest one.
  const step = query.step ? nearest(steps, Number(query.step)) : steps[steps.length - 1];
  const filter = filterOf(query);
  const isFiltered = isFiltering(filter);
  const isWide = query.all === "1" && isFiltered;
  const place = { run, step, mode };
  const hasStep = step !== undefined;
  const listed = useAnswer(hasStep ? "groups" : null, { ...place, ...filter }, hasStep && step === steps[steps.length - 1] ? version : "");
  const reward = query.reward ?? "rewards/total";
  const groups = useMemo(
    () => sortGroups(withRewards(listed.data?.groups ?? [], reward), query.sort ?? ""),
    [listed.data, query.sort, reward],
  );
  const outputs = groups.flatMap((group) => group.outputs);
  const rewards = numbersOf(outputs.map((one) => one.reward));
  const range = rangeOf(rewards);
  const open =
    groups.find((group) => group.key === query.group) ??
    groups.find((group) => query.id && group.outputs.some((one) => one.id === query.id));
  const functions = useMemo(() => functionsOf(outputs, reward), [listed.data, reward]);
  useKeys({ steps, step, groups, open });
  if (known.error) return html`<${ErrorLine} text=${known.error} />`;
  if (!known.data) return null;
  if (!hasStep) {
    return html`<${Empty} title="No completions were recorded.">
      <p><code>logflume.training.attach(trainer)</code> records what the policy generates, with the rewards of each completion.</p><//>`;
  }
  const link = (group) => url(["run", run, "completions"], { ...query, step, mode, group: group.key, id: "" });
  return html`<div>
    <div class="toolbar"><${Stepper} steps=${steps} step=${step} isFixed=${Boolean(query.step)} />
      <${ModeSwitch} modes=${modes} mode=${mode} reset=${{ step: "", group: "", id: "" }} />
      ${listed.data && !isWide && html`<${Totals} groups=${groups} of=${listed.data.of} isFiltered=${isFiltered} isCurrent=${listed.isCurrent} />`}
      ${isFiltered && html`<span class="segments">
        <button aria-pressed=${!isWide} onClick=${() => setQuery({ all: "" })}>this step</button>
        <button aria-pressed=${isWide} onClick=${() => setQuery({ all: "1" })}>all steps</button></span>`}
    </div>
    ${query.step && Number(query.step) !== step && html`<p class="notice">Step ${number(Number(query.step))} has no completions. This is the nearest step with completions.</p>`}
    <${Filters} run=${run} step=${step} query=${query} functions=${functions} rewards=${rewards} hasTools=${outputs.some((one) => one.tool_failures !== null)} />
    ${isWide
      ? html`<${Hits} run=${run} filter=${filter} />`
      : html`<div>
        <${ErrorLine} text=${listed.error} />
        ${listed.data && !groups.length && html`<${Empty} title="No completion of this step matches.">
          <p>Change the filters, or search all steps.</p><//>`}
        <div class=${`split ${open ? "" : "closed"}`}>
          ${groups.length > 0 && html`<div class="panel groups">${groups.map((group) => html`<${GroupRow} key=${group.key}
            group=${group} range=${range} isOpen=${group === open} link=${link(group)} />`)}</div>`}
          ${open && html`<${OpenGroup} key=${`${step} ${mode} ${open.key}`} place=${place} group=${open} range=${range} query=${query}
            filter=${filter} />`}
        </div>
        <p class="keys wide-only"><kbd>↑</kbd> <kbd>↓</kbd> group · <kbd>←</kbd> <kbd>→</kbd> completion · <kbd>[</kbd> <kbd>]</kbd> step · <kbd>/</kbd> search · <kbd>Esc</kbd> close the group</p>
      </div>`}
  </div>`;
}

/** @param {{steps: number[], step: number, isFixed: boolean}} props */
function Stepper({ steps, step, isFixed }) {
  const at = steps.indexOf(step);
  const go = (index) => setQuery({ step: steps[index], group: "", id: "" });
  return html`<div class="stepper">
    <button disabled=${at <= 0} onClick=${() => go(at - 1)} aria-label="Previous step">‹</button>
    <input type="range" min="0" max=${steps.length - 1} value=${at} aria-label="Step" onInput=${(event) => go(Number(event.target.value))} />
    <button disabled=${at >= steps.length - 1} onClick=${() => go(at + 1)} aria-label="Next step">›</button>
    <output>step ${number(step)}</output>
    ${isFixed
      ? html`<button class="plain" onClick=${() => setQuery({ step: "", group: "", id: "" })}>newest</button>`
      : html`<span class="muted small">newest</span>`}
  </div>`;
}

function Totals({ groups, of, isFiltered, isCurrent }) {
  if (!isCurrent) return html`<span class="muted">reading …</span>`;
  const mean = meanOf(numbersOf(groups.flatMap((group) => group.outputs.map((one) => one.reward))));
  const dead = groups.filter((group) => group.signal === false).length;
  if (isFiltered) {
    const count = groups.flatMap((group) => group.outputs).filter((one) => one.matches).length;
    return html`<span class="muted">${count} completions in ${groups.length} of ${of} groups match</span>`;
  }
  return html`<span class="muted">${of} groups, mean reward ${number(mean)}${dead ? `, ${percent(dead / of)} without signal` : ""}</span>`;
}

/** The columns of rewards, the total first. */
function functionsOf(outputs, chosen) {
  const names = new Set(["rewards/total", chosen]);
  for (const one of outputs) for (const name of Object.keys(one.rewards)) names.add(name);
  return [...names];
}

/** Add the step of a completion to a URL that has only its id. */
function useStepOf(run, query) {
  const { data } = useAnswer(query.id && !query.step ? "outputs" : null, { run, id: query.id });
  useEffect(() => {
    const output = data?.outputs[0];
    if (output && output.id === query.id) setQuery({ step: output.step, mode: output.mode ?? "train" });
  }, [data]);
}

/** The mode of a step, if its completions have only one. */
function modeOf(stepsOf, step) {
  const modes = [...stepsOf].filter(([, steps]) => steps.includes(step)).map(([mode]) => mode);
  return modes.length === 1 ? modes[0] : undefined;
}

/** The steps of each mode, from their differences in the answer. @returns {Map<string, number[]>} */
function stepsByMode(differences) {
  return new Map(Object.entries(differences).map(([mode, list]) => {
    let step = 0;
    return [mode, list.map((difference) => (step += Number(difference)))];
  }));
}

function nearest(steps, wanted) {
  return steps.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best), steps[0]);
}
