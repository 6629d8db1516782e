/** The texts of completions, as text only: a conversation, a plain text, with what matters marked. */
import { html } from "../lib/dom.js";
import { visible } from "../lib/format.js";

/** @typedef {{role: string, kind: string, text: string}} Turn */

const MARKUP = /(<\/?[a-zA-Z_][\w-]{0,30}>)/;

/**
 * @param {Object} props
 * @param {string} props.text
 * @param {number} [props.shared] How many characters at the beginning all completions share.
 * @param {RegExp | null} [props.found] What was searched for.
 */
export function Text({ text, shared = 0, found = null }) {
  const start = text.slice(0, shared);
  const rest = text.slice(shared);
  return html`<pre dir="auto">${start && html`<span class="shared" title="All completions of the group begin like this">${marked(start, found)}</span>`}${marked(rest, found)}</pre>`;
}

function marked(text, found) {
  return text.split(MARKUP).map((part, i) =>
    i % 2 ? html`<span class="tag" key=${i}>${visible(part)}</span>` : withHits(part, found, i),
  );
}

function withHits(text, found, key) {
  if (!found) return visible(text);
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(found)) {
    if (!match[0]) continue;
    parts.push(visible(text.slice(end, match.index)), html`<mark key=${`${key}.${match.index}`}>${visible(match[0])}</mark>`);
    end = match.index + match[0].length;
  }
  parts.push(visible(text.slice(end)));
  return parts;
}

/**
 * What was searched for, as a pattern of JavaScript. RE2's and its patterns differ in details; what
 * JavaScript doesn't understand is found all the same, only not marked.
 * @param {string | undefined} search
 * @param {boolean} isRegex
 */
export function searchPattern(search, isRegex) {
  if (!search) return null;
  try {
    if (!isRegex) return new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
    const [, flags, pattern] = /^(?:\(\?([is]+)\))?(.*)$/s.exec(search) ?? [];
    return new RegExp(pattern, `g${flags ?? ""}`);
  } catch {
    return null;
  }
}

/**
 * Return the turns of a conversation in JSON; null where a plain text shows as much.
 * @param {string | undefined} messages
 * @returns {Turn[] | null}
 */
export function readTurns(messages) {
  if (!messages) return null;
  let list;
  try {
    list = JSON.parse(messages);
  } catch {
    return null; // shortened, or written by somebody else
  }
  if (!Array.isArray(list)) return null;
  const turns = list.flatMap(turnsOf);
  return turns.length ? turns : null;
}

/** @returns {Turn[]} */
function turnsOf(message) {
  if (message === null || typeof message !== "object") return [{ role: "", kind: "text", text: asText(message) }];
  const role = String(message.role ?? "");
  const turns = [];
  const thinking = message.reasoning_content ?? message.thinking ?? message.reasoning;
  if (thinking) turns.push({ role: `${role}, thinking`, kind: "thinking", text: asText(thinking) });
  if (message.content) {
    const kind = role === "tool" ? "tool" : "text";
    const name = role === "tool" && message.name ? `tool: ${message.name}` : role;
    turns.push({ role: name, kind, text: contentText(message.content) });
  }
  for (const call of Array.isArray(message.tool_calls) ? message.tool_calls : []) {
    const called = call?.function ?? call ?? {};
    turns.push({ role: `calls ${called.name ?? "a tool"}`, kind: "call", text: asText(called.arguments ?? called) });
  }
  return turns;
}

/** Contents are a text, or a list of parts such as texts and images. */
function contentText(content) {
  if (!Array.isArray(content)) return asText(content);
  return content.map((part) => (typeof part?.text === "string" ? part.text : `[${asText(part?.type ?? part)}]`)).join("\n");
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** @param {{turns: Turn[], shared?: number, found?: RegExp | null}} props */
export function Conversation({ turns, shared = 0, found = null }) {
  return html`<div>${turns.map((turn, i) => html`<div class=${`turn ${turn.kind}`} key=${i}>
    ${(turns.length > 1 || turn.role !== "assistant") && html`<div class="role">${visible(turn.role)}</div>`}
    <${Text} text=${turn.text} shared=${i === 0 ? shared : 0} found=${found} />
  </div>`)}</div>`;
}
