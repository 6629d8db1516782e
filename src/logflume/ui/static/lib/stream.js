/** Answers that arrive in pieces, which are shown at once and computed only while they are needed. */
import { apiUrl, explain, noteDamage, parsed } from "./api.js";
import { useEffect, useState } from "./dom.js";

const END = "\n\n";
const PREFIX = "data: ";

/**
 * Yield the pieces of an answer. Aborting the signal also ends the computation.
 * @param {string} name
 * @param {Record<string, unknown>} params
 * @param {AbortSignal} signal
 */
async function* pieces(name, params, signal) {
  const response = await fetch(apiUrl(name, params), { signal });
  if (!response.ok || !response.body) {
    await parsed(response); // throws the error that it reports
    return;
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
 * @property {{step: number | null, skip: number} | null} next Where the search can continue.
 * @property {boolean} isSearching
 * @property {string | null} error
 */

/** @type {Found} */
const NOTHING = { hits: [], searched: 0, total: 0, more: false, next: null, isSearching: true, error: null };

/**
 * Search the completions of a run. A search that is replaced, or whose view is closed, also ends on
 * the server.
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
        // A search that was replaced shows nothing; one that was stopped keeps its hits.
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
