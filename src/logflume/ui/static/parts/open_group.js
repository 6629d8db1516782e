/** An open group: its prompt, and its completions side by side, as texts, differences or tokens. */
import { useAnswer } from "../lib/api.js";
import { sharedPrefix } from "../lib/diff.js";
import { html, useMemo } from "../lib/dom.js";
import { useFinder } from "../lib/finder.js";
import { visible } from "../lib/format.js";
import { setQuery, url } from "../lib/route.js";
import { Difference } from "./difference.js";
import { Output, scaleOf } from "./output.js";
import { ErrorLine } from "./states.js";
import { Conversation, Text, readTurns } from "./text.js";
import { MEASURES, TokenLegend, Tokens } from "./tokens.js";

/** @param {{place: any, group: any, range: {low: number, high: number}, query: Record<string, string>, filter: Record<string, string>}} props */
export function OpenGroup({ place, group, range, query, filter }) {
  const { data, error } = useAnswer("group", { ...place, group: group.key }, group.completions);
  const outputs = data?.outputs ?? [];
  const shared = useMemo(
    () => sharedPrefix(outputs.map((output) => readTurns(output.messages)?.[0].text ?? output.model_output ?? "")),
    [data],
  );
  const texts = useMemo(() => outputs.flatMap(textsOf), [data]);
  const { find, isGivenUp } = useFinder(filter.search, filter.regex === "1", texts);
  if (!data) return html`<div><${ErrorLine} text=${error} /></div>`;
  const matching = new Set(group.outputs.filter((one) => one.matches).map((one) => one.id));
  const scale = scaleOf(outputs, range);
  const withTokens = new Set(data.with_tokens);
  const reference = outputs.find((output) => output.id === query.id) ?? bestOf(outputs);
  const bodyOf = (output) => {
    if (query.show === "differences" && output !== reference) {
      return html`<${Difference} before=${reference.model_output ?? ""} after=${output.model_output ?? ""} />`;
    }
    if (query.show === "tokens" && withTokens.has(output.id)) {
      return html`<${Tokens} run=${place.run} id=${output.id} step=${place.step} measure=${query.measure ?? "logprob"} />`;
    }
    return undefined;
  };
  const noteOf = (output) => {
    if (query.show === "differences" && output === reference) return "the other completions are compared with this one";
    return query.show === "tokens" && !withTokens.has(output.id) ? "its tokens were not recorded" : "";
  };
  return html`<div>
    <${Prompt} run=${place.run} group=${group} first=${outputs[0]} find=${find} />
    <${Shows} query=${query} hasTokens=${withTokens.size > 0} canDiffer=${outputs.length > 1} />
    ${isGivenUp && html`<p class="muted small" data-note="not marked">Hits are not marked: the browser doesn't support this expression, or takes too long.</p>`}
    <div class="outputs">${outputs.map((output) => html`<${Output} key=${output.id} output=${output} scale=${scale}
      shared=${shared} find=${find} isMatch=${matching.has(output.id)} isCurrent=${output.id === query.id}
      body=${bodyOf(output)} note=${noteOf(output)}
      onSelect=${() => output.id !== query.id && !String(getSelection()) && setQuery({ id: output.id })} />`)}</div>
  </div>`;
}

function Prompt({ run, group, first, find }) {
  const turns = readTurns(first?.prompt_messages);
  return html`<div class="panel prompt-head">
    <div class="row"><h3>Prompt</h3>
      <span class="muted grow">${first?.true_answer !== undefined && html`correct answer: <b class="mono">${visible(first.true_answer)}</b>`}</span>
      ${group.prompt_id && html`<a href=${url(["run", run, "prompt", group.prompt_id], { mode: group.mode })}>this prompt through time</a>`}
      <button class="plain" onClick=${() => setQuery({ group: "", id: "" })}>close</button></div>
    ${turns ? html`<${Conversation} turns=${turns} find=${find} />` : html`<${Text} text=${promptOf(first)} find=${find} />`}
    ${first?.tools && html`<details><summary>tools</summary><pre>${visible(first.tools)}</pre></details>`}
  </div>`;
}

function promptOf(output) {
  return output?.prompt ?? output?.question ?? "";
}

/** The texts that are shown of a completion and its prompt. @returns {string[]} */
function textsOf(output) {
  const turns = [...(readTurns(output.prompt_messages) ?? []), ...(readTurns(output.messages) ?? [])];
  return [promptOf(output), output.model_output ?? "", ...turns.map((turn) => turn.text)];
}

/** The choice between texts, differences and tokens. */
function Shows({ query, hasTokens, canDiffer }) {
  const kinds = [["", "texts"], ...(canDiffer ? [["differences", "differences"]] : []), ...(hasTokens ? [["tokens", "tokens"]] : [])];
  if (kinds.length < 2) return null;
  const measure = query.measure ?? "logprob";
  return html`<div class="row shows"><span class="segments" role="group" aria-label="Show as">${kinds.map(([name, label]) => html`<button key=${name} data-show=${name || "texts"}
      aria-pressed=${(query.show ?? "") === name} onClick=${() => setQuery({ show: name })}>${label}</button>`)}</span>
    ${query.show === "differences" && html`<span class="muted small">from the selected completion, or else the best: <del>removed</del> <ins>added</ins></span>`}
    ${query.show === "tokens" && html`<label>colour <select aria-label="Colour of the tokens" value=${measure} onChange=${(event) => setQuery({ measure: event.target.value })}>
      ${Object.entries(MEASURES).map(([name, { title }]) => html`<option key=${name} value=${name}>${title}</option>`)}</select></label>
      <${TokenLegend} measure=${measure} />`}
  </div>`;
}

function bestOf(outputs) {
  const value = (output) => (typeof output["rewards/total"] === "number" ? output["rewards/total"] : -Infinity);
  return outputs.reduce((best, output) => (value(output) > value(best) ? output : best), outputs[0]);
}
