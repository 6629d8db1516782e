/** The difference of two texts: one text with removed and added words. */
import { diffWords } from "../lib/diff.js";
import { html, useMemo } from "../lib/dom.js";
import { visible } from "../lib/format.js";

const CONTEXT = 400; // characters shown at each end of a long part without changes

/** @param {{before: string, after: string}} props */
export function Difference({ before, after }) {
  const pieces = useMemo(() => diffWords(before, after), [before, after]);
  if (pieces.every((piece) => piece.kind === "same")) {
    return html`<div data-diff><p class="muted">The texts are identical.</p><pre dir="auto">${visible(after)}</pre></div>`;
  }
  return html`<pre dir="auto" data-diff>${pieces.map((piece, i) => shown(piece, i))}</pre>`;
}

function shown({ kind, text }, i) {
  if (kind === "added") return html`<ins key=${i}>${visible(text)}</ins>`;
  if (kind === "removed") return html`<del key=${i}>${visible(text)}</del>`;
  if (text.length <= 3 * CONTEXT) return visible(text);
  const left = text.length - 2 * CONTEXT;
  return [visible(text.slice(0, CONTEXT)), html`<span class="left-out" key=${i}> … ${left} equal characters … </span>`, visible(text.slice(-CONTEXT))];
}
