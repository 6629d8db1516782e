/** Finds the hits of a search in texts, for the views to mark. */
import { useEffect, useState } from "./dom.js";

/** @typedef {[number, number][]} Spans The beginning and end of each hit. */
/** @typedef {(text: string) => Spans} Finder */
/** @typedef {{pattern: string | null, spans: Map<string, Spans> | null}} Found `spans`: null if given up. */

const MAX_HITS = 1_000; // in a text
const MAX_MS = 1_000;

/** @type {Finder} */
const NOTHING = () => [];

/**
 * Return a function that finds a search in texts. A regular expression may take forever, so it runs
 * in a worker, which is stopped after a second. The server searches with RE2, whose patterns differ
 * from those of JavaScript in details. Hits of patterns that JavaScript doesn't support are listed,
 * but not marked.
 * @param {string | undefined} search
 * @param {boolean} isRegex
 * @param {string[]} texts All texts that are shown.
 * @returns {{find: Finder, isGivenUp: boolean}}
 */
export function useFinder(search, isRegex, texts) {
  const pattern = search && isRegex ? search : null;
  const [found, setFound] = useState(/** @type {Found} */ ({ pattern: null, spans: null }));
  const key = pattern === null ? "" : JSON.stringify([pattern, texts]);
  useEffect(() => {
    if (pattern === null) return undefined;
    const worker = new Worker(new URL("./regex_worker.js", import.meta.url));
    const timer = setTimeout(() => {
      worker.terminate();
      setFound({ pattern, spans: null });
    }, MAX_MS);
    worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      setFound({ pattern, spans: data && new Map(texts.map((text, i) => [text, data[i]])) });
    };
    worker.postMessage({ pattern, texts, maxHits: MAX_HITS });
    return () => {
      clearTimeout(timer);
      worker.terminate();
    };
  }, [key]);
  if (!search) return { find: NOTHING, isGivenUp: false };
  if (pattern === null) return { find: (text) => findText(text, search), isGivenUp: false };
  const { spans } = found;
  if (found.pattern !== pattern || !spans) return { find: NOTHING, isGivenUp: found.pattern === pattern };
  return { find: (text) => spans.get(text) ?? [], isGivenUp: false };
}

/** @param {string} text @param {string} search @returns {Spans} */
function findText(text, search) {
  const pattern = new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
  /** @type {Spans} */
  const spans = [];
  for (const { 0: hit, index } of text.matchAll(pattern)) {
    if (spans.push([index, index + hit.length]) === MAX_HITS) break;
  }
  return spans;
}
