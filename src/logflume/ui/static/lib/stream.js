/** Answers that arrive in pieces: each is shown when it is there, and none is computed for nobody. */
import { apiUrl, explain, noteDamage } from "./api.js";
import { useEffect, useState } from "./dom.js";

const END = "\n\n";
const PREFIX = "data: ";

/**
 * Yield the pieces of an answer. Aborting the signal ends the computation, too.
 * @param {string} name
 * @param {Record<string, unknown>} params
 * @param {AbortSignal} signal
 */
async function* pieces(name, params, signal) {
  const response = await fetch(apiUrl(name, params), { signal });
  if (!response.ok || !response.body) {
    const text = await response.text();
    let error = text.trim();
    try {
      error = JSON.parse(text).error ?? error;
    } catch {
      // not JSON: shown as it is
    }
    throw new Error(error || `the server answered ${response.status}`);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const ends = rest.split(END);
    rest = ends.pop() ?? "";
    for (const piece of ends) yield JSON.parse(piece.slice(PREFIX.length));
  }
}

/**
 * @typedef {Object} Found
 * @property {any[]} hits
 * @property {number} searched
 * @property {number} total
 * @property {boolean} more Whether there may be more hits.
 * @property {{step: number | null, skip: number} | null} next Where the search can go on.
 * @property {boolean} isSearching
 * @property {string | null} error
 */

/** @type {Found} */
const NOTHING = { hits: [], searched: 0, total: 0, more: false, next: null, isSearching: true, error: null };

/**
 * Search the completions of a run. A search that is replaced by another one, or leaves the page,
 * ends on the server as well.
 * @param {Record<string, unknown>} params
 * @returns {Found & {stop: () => void, goOn: () => void}}
 */
export function useSearch(params) {
  const key = apiUrl("search", params);
  const [state, setState] = useState({ ...NOTHING, key });
  const [place, setPlace] = useState(/** @type {{key: string, step: number, skip: number} | null} */ (null));
  const [aborter, setAborter] = useState(/** @type {AbortController | null} */ (null));
  const from = place?.key === key ? place : null;
  useEffect(() => {
    const own = new AbortController();
    setAborter(own);
    const start = (/** @type {any} */ old) => ({ ...NOTHING, key, hits: from && old.key === key ? old.hits : [] });
    setState(start);
    const read = async () => {
      const query = from ? { ...params, last: from.step, skip: from.skip } : params;
      for await (const piece of pieces("search", query, own.signal)) {
        if (own.signal.aborted) return;
        noteDamage(params.run, piece);
        if (piece.error) throw new Error(piece.error);
        setState((old) => ({ ...old, ...piece, hits: [...old.hits, ...piece.hits] }));
      }
    };
    read().then(
      () => setState((old) => ({ ...old, isSearching: false })),
      (error) => {
        // Of a search that was replaced, nothing is shown; one that was stopped keeps its hits.
        if (own.signal.reason === "replaced") return;
        const text = own.signal.aborted ? null : explain(error);
        setState((old) => ({ ...old, isSearching: false, error: text }));
      },
    );
    return () => own.abort("replaced");
  }, [key, from]);
  return {
    ...(state.key === key ? state : NOTHING),
    stop: () => aborter?.abort("stopped"),
    goOn: () => state.next && setPlace({ key, .../** @type {any} */ (state.next) }),
  };
}
