/** Requests to the server, and the state of what they return. */
import { useEffect, useRef, useState } from "./dom.js";

const WAIT_FACTOR = 10;
const RARE_FACTOR = 100;
const MAX_WAIT_MS = 30_000;
const MAX_RARE_WAIT_MS = 120_000;
const INTERVAL_MS = 1000; // a step is on the page within three seconds

/**
 * @param {string} name
 * @param {Record<string, unknown>} params Lists become repeated parameters.
 * @returns {string}
 */
export function apiUrl(name, params = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(key, String(one));
    }
  }
  return `api/${name}?${query}`;
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} params
 * @param {AbortSignal} [signal]
 */
export async function get(name, params = {}, signal) {
  const response = await fetch(apiUrl(name, params), { signal });
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `the server answered ${response.status}`);
  }
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

/**
 * Request an answer, and again whenever `version` changes. What was shown stays until the new answer
 * is there, so that nothing flickers and no scroll position is lost.
 * @param {string | null} name Null: request nothing.
 * @param {Record<string, unknown>} params
 * @param {unknown} [version]
 * @param {boolean} [isRare] Whether it may be older than the rest: a summary of a whole run.
 * @returns {{data: any, error: string | null, isLoading: boolean, isCurrent: boolean}} Current: of these parameters.
 */
export function useAnswer(name, params, version, isRare = false) {
  const key = name === null ? null : apiUrl(name, params);
  const [state, setState] = useState({ key: "", data: null, error: null, isLoading: true });
  const last = useRef({ key: "", tookMs: 0 });
  useEffect(() => {
    if (key === null || name === null) return undefined;
    const aborter = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    const request = async () => {
      const start = performance.now();
      const answer = await get(name, params, aborter.signal);
      last.current = { key, tookMs: performance.now() - start };
      return answer;
    };
    // A long query is repeated more rarely, so that a training beside it has the processors.
    const isRepeated = last.current.key === key;
    const [most, factor] = isRare ? [MAX_RARE_WAIT_MS, RARE_FACTOR] : [MAX_WAIT_MS, WAIT_FACTOR];
    const waitMs = isRepeated ? Math.min(most, last.current.tookMs * factor - 1000) : 0;
    wait(waitMs, aborter.signal).then(request).then(
      (data) => setState({ key, data, error: null, isLoading: false }),
      (error) => {
        if (aborter.signal.aborted) return;
        setState((old) => ({
          key,
          // A live run may fail to be read for a moment; another view's answer must not stay.
          data: old.key === key ? old.data : null,
          error: explain(error),
          isLoading: false,
        }));
      },
    );
    return () => aborter.abort();
  }, [key, version]);
  if (key === null) return { data: null, error: null, isLoading: false, isCurrent: true };
  return { ...state, isCurrent: state.key === key };
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
function wait(ms, signal) {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** @param {Error} error */
export function explain(error) {
  if (error instanceof TypeError) return "The server does not answer. Is `logflume ui` running?";
  return error.message;
}

/**
 * Follow runs: return a text that changes whenever something was written to one of them.
 * @param {string[]} runs
 * @returns {string | null} Null until it is known.
 */
export function useVersion(runs) {
  const [version, setVersion] = useState(/** @type {string | null} */ (null));
  const ticks = useTicks(INTERVAL_MS);
  useEffect(() => {
    if (!runs.length) return undefined;
    const aborter = new AbortController();
    get("versions", { run: runs }, aborter.signal).then(
      ({ versions }) => setVersion(JSON.stringify(versions)),
      // The view's own request says what is wrong.
      () => aborter.signal.aborted || setVersion((old) => old ?? ""),
    );
    return () => aborter.abort();
  }, [runs.join("\n"), ticks]);
  return version;
}

/** Return a number that grows at an interval, while the page is seen. @param {number} intervalMs */
export function useTicks(intervalMs) {
  const [ticks, setTicks] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setTicks((old) => old + 1), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return ticks;
}
