/** The completions of a step by group: rows of groups, and one of them open. */
import { useAnswer } from "../lib/api.js";
import { sharedPrefix } from "../lib/diff.js";
import { html, useEffect, useMemo } from "../lib/dom.js";
import { number, percent, visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Filters, filterOf } from "../parts/filters.js";
import { GroupRow, sortGroups } from "../parts/group_row.js";
import { Output, scaleOf } from "../parts/output.js";
import { Empty, ErrorLine } from "../parts/states.js";
import { Conversation, Text, readTurns, searchPattern } from "../parts/text.js";
import { Hits } from "./hits.js";

/** @param {{run: string, query: Record<string, string>, version: string, summary: any}} props */
export function Completions({ run, query, version }) {
  const known = useAnswer("steps", { run }, version);
  const modes = [...new Set((known.data?.steps ?? []).map((row) => row.mode))].sort().reverse();
  const mode = query.mode ?? modeOf(known.data?.steps ?? [], Number(query.step)) ?? modes[0] ?? "train";
  const steps = (known.data?.steps ?? []).filter((row) => row.mode === mode && row.step !== null).map((row) => row.step);
  // Without a step in the URL, the view follows the newest one.
  const step = query.step ? nearest(steps, Number(query.step)) : steps[steps.length - 1];
  const filter = filterOf(query);
  const isFiltered = Object.keys(filter).some((name) => name !== "regex");
  const isWide = query.all === "1" && isFiltered;
  const place = { run, step, mode };
  const hasStep = step !== undefined;
  const listed = useAnswer(hasStep ? "groups" : null, { ...place, ...filter }, hasStep && step === steps[steps.length - 1] ? version : "");
  const groups = useMemo(() => sortGroups(listed.data?.groups ?? [], query.sort ?? ""), [listed.data, query.sort]);
  const outputs = groups.flatMap((group) => group.outputs);
  const rewards = outputs.map((one) => one.reward).filter((reward) => typeof reward === "number");
  const range = { low: Math.min(...rewards), high: Math.max(...rewards) };
  const open =
    groups.find((group) => group.key === query.group) ??
    groups.find((group) => query.id && group.outputs.some((one) => one.id === query.id));
  useKeys({ run, query, steps, step, groups, open });
  if (known.error) return html`<${ErrorLine} text=${known.error} />`;
  if (!known.data) return null;
  if (!hasStep) {
    return html`<${Empty} title="No completions were recorded.">
      <p><code>logflume.training.attach(trainer)</code> records what the policy generates, with the rewards of each completion.</p><//>`;
  }
  const link = (group) => url(["run", run, "completions"], { ...query, step, mode, group: group.key, id: "" });
  return html`<div>
    <div class="toolbar"><${Stepper} steps=${steps} step=${step} isFixed=${Boolean(query.step)} />
      ${modes.length > 1 && html`<span class="segments">${modes.map((one) => html`<button key=${one}
        aria-pressed=${one === mode} onClick=${() => setQuery({ mode: one, step: "", group: "", id: "" })}>${one === "eval" ? "evaluation" : "training"}</button>`)}</span>`}
      ${listed.data && !isWide && html`<${Totals} groups=${groups} of=${listed.data.of} isFiltered=${isFiltered} />`}
      ${isFiltered && html`<span class="segments">
        <button aria-pressed=${!isWide} onClick=${() => setQuery({ all: "" })}>this step</button>
        <button aria-pressed=${isWide} onClick=${() => setQuery({ all: "1" })}>all steps</button></span>`}
    </div>
    <${Filters} query=${query} rewards=${rewards} hasTools=${outputs.some((one) => one.tool_failures > 0)} />
    ${isWide
      ? html`<${Hits} run=${run} filter=${filter} found=${searchPattern(filter.search, filter.regex === "1")} />`
      : html`<div>
        <${ErrorLine} text=${listed.error} />
        ${listed.data && !groups.length && html`<${Empty} title="No completion of this step matches.">
          <p>Change the filters, or look in all steps.</p><//>`}
        <div class=${`split ${open ? "" : "closed"}`}>
          ${groups.length > 0 && html`<div class="panel groups">${groups.map((group) => html`<${GroupRow} key=${group.key}
            group=${group} range=${range} isOpen=${group === open} link=${link(group)} />`)}</div>`}
          ${open && html`<${OpenGroup} key=${`${step} ${mode} ${open.key}`} place=${place} group=${open} range=${range} query=${query}
            found=${searchPattern(filter.search, filter.regex === "1")} />`}
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

function Totals({ groups, of, isFiltered }) {
  const rewards = groups.flatMap((group) => group.outputs.map((one) => one.reward)).filter((r) => typeof r === "number");
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const dead = groups.filter((group) => group.signal === false).length;
  if (isFiltered) {
    const count = groups.flatMap((group) => group.outputs).filter((one) => one.matches).length;
    return html`<span class="muted">${count} completions in ${groups.length} of ${of} groups match</span>`;
  }
  return html`<span class="muted">${of} groups, mean reward ${number(mean)}${dead ? `, ${percent(dead / of)} without signal` : ""}</span>`;
}

/** The completions of a group side by side. */
function OpenGroup({ place, group, range, query, found }) {
  const { data, error } = useAnswer("group", { ...place, group: group.key }, group.completions);
  const outputs = data?.outputs ?? [];
  const texts = outputs.map((output) => readTurns(output.messages)?.[0].text ?? output.model_output ?? "");
  const shared = useMemo(() => sharedPrefix(texts), [data]);
  if (!data) return html`<div><${ErrorLine} text=${error} /></div>`;
  const [first] = outputs;
  const turns = readTurns(first?.prompt_messages);
  const matching = new Set(group.outputs.filter((one) => one.matches).map((one) => one.id));
  const scale = scaleOf(outputs, range);
  return html`<div>
    <div class="panel prompt-head">
      <div class="row"><h3>Prompt</h3>
        <span class="muted grow">${first?.true_answer !== undefined && html`right answer: <b class="mono">${visible(first.true_answer)}</b>`}</span>
        ${group.prompt_id && html`<a href=${url(["run", place.run, "prompt", group.prompt_id])}>through time</a>`}
        <button class="plain" onClick=${() => setQuery({ group: "", id: "" })}>close</button></div>
      ${turns ? html`<${Conversation} turns=${turns} found=${found} />` : html`<${Text} text=${first?.prompt ?? first?.question ?? ""} found=${found} />`}
      ${first?.tools && html`<details><summary>tools</summary><pre>${visible(first.tools)}</pre></details>`}
    </div>
    <div class="outputs">${outputs.map((output) => html`<${Output} key=${output.id} output=${output} scale=${scale}
      shared=${shared} found=${found} isMatch=${matching.has(output.id)} isCurrent=${output.id === query.id}
      onSelect=${() => output.id !== query.id && !String(getSelection()) && setQuery({ id: output.id })} />`)}</div>
  </div>`;
}

/** Keys: the next and the previous completion, group and step. */
function useKeys({ run, query, steps, step, groups, open }) {
  useEffect(() => {
    const go = (list, at, by) => list[Math.min(list.length - 1, Math.max(0, at + by))];
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const isTyping = event.target.matches("input, select, textarea");
      if (event.key === "Escape" && isTyping) event.target.blur();
      if (isTyping) return;
      const ids = open?.outputs.map((one) => one.id) ?? [];
      const moves = {
        ArrowDown: () => ({ step, group: go(groups, groups.indexOf(open), 1)?.key, id: "" }),
        ArrowUp: () => ({ step, group: go(groups, open ? groups.indexOf(open) : 1, -1)?.key, id: "" }),
        ArrowRight: () => open && { id: go(ids, ids.indexOf(query.id), 1) },
        ArrowLeft: () => open && { id: go(ids, Math.max(1, ids.indexOf(query.id)), -1) },
        "]": () => ({ step: go(steps, steps.indexOf(step), 1), group: "", id: "" }),
        "[": () => ({ step: go(steps, steps.indexOf(step), -1), group: "", id: "" }),
        Escape: () => ({ group: "", id: "" }),
      };
      moves.j = moves.ArrowDown;
      moves.k = moves.ArrowUp;
      if (event.key === "/") document.getElementById("search")?.focus();
      else if (!moves[event.key]) return;
      else {
        const changes = moves[event.key]();
        if (changes) setQuery(changes);
      }
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [run, query, steps, step, groups, open]);
}

/** The mode of a step that has completions of one mode only. */
function modeOf(rows, step) {
  const modes = rows.filter((row) => row.step === step).map((row) => row.mode);
  return modes.length === 1 ? modes[0] : undefined;
}

function nearest(steps, wanted) {
  return steps.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best), steps[0]);
}
