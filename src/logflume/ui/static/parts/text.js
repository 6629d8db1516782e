/** The texts of completions, inserted as text only: plain texts and conversations, with marks. */
import { html } from "../lib/dom.js";
import { visible } from "../lib/format.js";

/** @typedef {{role: string, kind: string, text: string}} Turn */

const MARKUP = /(<\/?[a-zA-Z_][\w-]{0,30}>)/;

/** @type {import("../lib/finder.js").Finder} */
const findNothing = () => [];

/**
 * @param {Object} props
 * @param {string} props.text
 * @param {number} [props.shared] The number of characters at the beginning that all completions share.
 * @param {import("../lib/finder.js").Finder} [props.find] Finds the hits of a search.
 */
export function Text({ text, shared = 0, find = findNothing }) {
  const hits = find(text);
  const start = shared > 0 && marked(text.slice(0, shared), 0, hits);
  return html`<pre dir="auto">${start && html`<span class="shared" title="All completions of the group begin with this text">${start}</span>`}${marked(text.slice(shared), shared, hits)}</pre>`;
}

/** A part of a text with its tags and hits marked. @param {string} part @param {number} offset Where it begins. */
function marked(part, offset, hits) {
  let from = offset;
  return part.split(MARKUP).map((piece, i) => {
    const shown = withHits(piece, from, hits);
    from += piece.length;
    return i % 2 ? html`<span class="tag" key=${i}>${shown}</span>` : shown;
  });
}

function withHits(piece, offset, hits) {
  const parts = [];
  let end = 0;
  for (const hit of hits) {
    const [first, last] = [Math.max(end, hit[0] - offset), Math.min(piece.length, hit[1] - offset)];
    if (first >= last) continue;
    parts.push(visible(piece.slice(end, first)), html`<mark key=${offset + first}>${visible(piece.slice(first, last))}</mark>`);
    end = last;
  }
  parts.push(visible(piece.slice(end)));
  return parts;
}

/**
 * Return the turns of a conversation in JSON; null if there is none.
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

/** The text of a content, which is a text, or a list of parts such as texts and images. */
function contentText(content) {
  if (!Array.isArray(content)) return asText(content);
  return content.map((part) => (typeof part?.text === "string" ? part.text : `[${asText(part?.type ?? part)}]`)).join("\n");
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** @param {{turns: Turn[], shared?: number, find?: import("../lib/finder.js").Finder}} props */
export function Conversation({ turns, shared = 0, find = findNothing }) {
  return html`<div>${turns.map((turn, i) => html`<div class=${`turn ${turn.kind}`} key=${i}>
    ${(turns.length > 1 || turn.role !== "assistant") && html`<div class="role">${visible(turn.role)}</div>`}
    <${Text} text=${turn.text} shared=${i === 0 ? shared : 0} find=${find} />
  </div>`)}</div>`;
}
