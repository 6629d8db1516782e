/** A completion: its rewards, its advantage, its text, and its other fields. */
import { apiUrl } from "../lib/api.js";
import { rewardColor } from "../lib/colors.js";
import { html, useEffect, useRef } from "../lib/dom.js";
import { functionName, number, plain, visible } from "../lib/format.js";
import { Conversation, Text, readTurns } from "./text.js";

const SHOWN = new Set([
  "timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq", "step", "mode", "id",
  "prompt", "prompt_messages", "prompt_id", "question", "model_output", "messages", "tools", "group",
  "index", "generation", "rewards/total", "advantage", "completion_tokens", "prompt_tokens",
  "truncated", "ended_by", "shortened", "global_step",
]);

/**
 * @typedef {Object} Scale
 * @property {number} low The lowest total reward.
 * @property {number} high The highest total reward.
 * @property {number} advantage The largest absolute advantage.
 * @property {Record<string, [number, number]>} functions The range of each reward function.
 */

/**
 * @param {Object} props
 * @param {Record<string, any>} props.output
 * @param {Scale} props.scale
 * @param {number} [props.shared] The number of characters at the beginning that the group shares.
 * @param {import("../lib/finder.js").Finder} [props.find] Finds the hits of a search.
 * @param {boolean} [props.isCurrent]
 * @param {boolean} [props.isMatch]
 * @param {unknown} [props.body] Shown instead of its text.
 * @param {string} [props.note]
 * @param {() => void} [props.onSelect]
 */
export function Output({ output, scale, shared = 0, find, isCurrent = false, isMatch = true, body, note, onSelect }) {
  const element = useRef(null);
  useEffect(() => {
    if (isCurrent) element.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [isCurrent]);
  const turns = readTurns(output.messages);
  return html`<article ref=${element} class=${`panel output ${isMatch ? "" : "unmatched"}`} data-id=${output.id}
    aria-current=${isCurrent ? "true" : undefined} onClick=${onSelect}>
    <header>
      <div class="row">
        <span class="muted">#${number(output.index)}</span>
        <span class="total" style=${{ color: rewardColor(output["rewards/total"], scale.low, scale.high) }}
          title="total reward">${number(output["rewards/total"])}</span>
        ${output["quality/correct"] === true && html`<span class="chip good">✓ correct</span>`}
        ${output["quality/correct"] === false && html`<span class="chip">✗ wrong</span>`}
        ${output.truncated && html`<span class="chip warning">truncated</span>`}
        ${output.tool_failures > 0 && html`<span class="chip critical">${number(output.tool_failures)} failed tool ${output.tool_failures === 1 ? "call" : "calls"}</span>`}
      </div>
      <${Rewards} output=${output} scale=${scale} />
    </header>
    <div class="body">${note && html`<p class="muted small">${note}</p>`}${body ?? (turns
      ? html`<${Conversation} turns=${turns} shared=${shared} find=${find} />`
      : html`<${Text} text=${output.model_output ?? ""} shared=${shared} find=${find} />`)}
      <${Shortened} output=${output} /></div>
    <footer>
      ${output.completion_tokens !== undefined && html`<span>${number(output.completion_tokens)} tokens</span>`}
      ${output.ended_by && output.ended_by !== "stop" && html`<span>ended by ${visible(output.ended_by)}</span>`}
      ${output.turns > 1 && html`<span>${output.turns} turns, ${number(output.tool_calls)} tool calls</span>`}
      ${output.answer !== undefined && html`<span class="clip" style=${{ maxWidth: "24ch" }}>answer: ${visible(output.answer)}</span>`}
      <${Fields} output=${output} />
    </footer>
  </article>`;
}

/** Each reward function with a bar within its range, and the advantage around zero. */
function Rewards({ output, scale }) {
  const names = Object.keys(output).filter((name) => name.startsWith("rewards/") && name !== "rewards/total");
  const advantage = output.advantage;
  const width = typeof advantage === "number" && scale.advantage ? (Math.abs(advantage) / scale.advantage) * 50 : 0;
  return html`<div class="functions">
    ${names.flatMap((name) => [
      html`<span class="clip" title=${visible(name)} key=${name}>${functionName(name)}</span>`,
      html`<span class="bar" key=${`${name} bar`}><i style=${within(output[name], scale.functions[name])}></i></span>`,
      html`<b key=${`${name} value`}>${output[name] === null ? "n/a" : number(output[name])}</b>`,
    ])}
    ${advantage !== undefined && [
      html`<span key="a">advantage</span>`,
      html`<span class="bar centered" key="b"><i style=${{
        left: `${advantage < 0 ? 50 - width : 50}%`,
        width: `${width}%`,
        background: advantage < 0 ? "var(--reward-low)" : "var(--reward-high)",
      }}></i></span>`,
      html`<b key="c">${advantage > 0 ? "+" : ""}${number(advantage)}</b>`,
    ]}
  </div>`;
}

function within(value, range) {
  if (typeof value !== "number" || !range) return { width: "0" };
  const [low, high] = [Math.min(0, range[0]), Math.max(0, range[1])];
  const size = high - low || 1;
  const from = (Math.min(0, value) - low) / size;
  return {
    left: `${from * 100}%`,
    width: `${(Math.abs(value) / size) * 100}%`,
    background: value < 0 ? "var(--reward-low)" : "var(--series-0)",
  };
}

/** A note on a shortened text, with a link to the whole text. */
function Shortened({ output }) {
  const lengths = output.shortened ?? {};
  const field = "model_output" in lengths ? "model_output" : "messages" in lengths ? "messages" : null;
  if (!field) return null;
  const link = apiUrl("text", { run: output.run, step: output.step, id: output.id, field });
  return html`<p class="notice">The first ${number(output[field].length)} of ${number(lengths[field])} characters.
    <a href=${link} target="_blank" rel="noopener">The whole text</a></p>`;
}

/** All other fields of a completion. */
function Fields({ output }) {
  const rest = Object.entries(output).filter(([name]) => !SHOWN.has(name) && !name.startsWith("rewards/"));
  if (!rest.length) return null;
  return html`<details class="fields"><summary>${rest.length} fields</summary>
    <dl class="settings">${rest.map(([name, value]) => html`<div key=${name}><dt>${visible(name)}</dt><dd>${plain(value)}</dd></div>`)}</dl></details>`;
}

/** @param {Record<string, any>[]} outputs @param {{low: number, high: number}} range @returns {Scale} */
export function scaleOf(outputs, range) {
  /** @type {Record<string, [number, number]>} */
  const functions = {};
  let advantage = 0;
  for (const output of outputs) {
    if (typeof output.advantage === "number") advantage = Math.max(advantage, Math.abs(output.advantage));
    for (const [name, value] of Object.entries(output)) {
      if (!name.startsWith("rewards/") || typeof value !== "number") continue;
      const [low, high] = functions[name] ?? [value, value];
      functions[name] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  return { ...range, advantage, functions };
}
