/** Requests to the server, and the state of their answers. */
import { useEffect, useRef, useState } from "./dom.js";

const WAIT_FACTOR = 15;
const RARE_FACTOR = 100;
const MAX_WAIT_MS = 30_000;
const MAX_RARE_WAIT_MS = 120_000;
const INTERVAL_MS = 1000; // a step appears within three seconds

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
  return (await getTimed(name, params, signal)).answer;
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} params
 * @param {AbortSignal} [signal]
 * @returns {Promise<{answer: any, cpuMs: number}>} With the CPU time of the server.
 */
async function getTimed(name, params, signal) {
  const response = await fetch(apiUrl(name, params), { signal });
  const answer = await parsed(response);
  noteDamage(params.run, answer);
  const [, cpuMs = "0"] = /^cpu;dur=([\d.]+)$/.exec(response.headers.get("server-timing") ?? "") ?? [];
  return { answer, cpuMs: Number(cpuMs) };
}

/** The JSON of a response. @param {Response} response @throws {Error} The error that it reports. */
export async function parsed(response) {
  const text = await response.text();
  const failed = `the server answered ${response.status}`;
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || failed);
  }
  if (!response.ok) throw new Error(answer.error ?? failed);
  return answer;
}

/** Show the damage that an answer reports in the view of its run. @param {unknown} run @param {any} answer */
export function noteDamage(run, { damage }) {
  if (damage) dispatchEvent(new CustomEvent("damage", { detail: { run, text: damage } }));
}

/**
 * A component that repeats a request. A summary of a whole run is due only some time after the last
 * one arrived.
 * @typedef {{key: string | null, aborter: AbortController, dueMs: number}} Owner
 */

/** The requests to repeat, in order. Each returns its cost. @type {Map<Owner, () => Promise<number>>} */
const waiting = new Map();
let isRepeating = false;

/**
 * Repeat a request in its turn. Requests are repeated one at a time, with a pause after each, so
 * that the processors are left to training on the same machine. An owner that repeats its request
 * while waiting keeps its turn.
 * @param {Owner} owner
 * @param {() => Promise<number>} request
 */
async function repeat(owner, request) {
  waiting.set(owner, request);
  if (isRepeating) return;
  isRepeating = true;
  while (waiting.size) {
    const next = [...waiting].find(([one]) => one.dueMs <= performance.now());
    if (!next) {
      await sleep(INTERVAL_MS);
      continue;
    }
    waiting.delete(next[0]);
    await sleep(Math.min(MAX_WAIT_MS, (await next[1]()) * WAIT_FACTOR));
  }
  isRepeating = false;
}

/** @param {number} ms @returns {Promise<void>} */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Request an answer, and repeat the request whenever `version` changes. The old answer stays until
 * the new one arrives, so that nothing flickers and no scroll position is lost.
 * @param {string | null} name Null: request nothing.
 * @param {Record<string, unknown>} params
 * @param {unknown} [version]
 * @param {boolean} [isRare] Whether the answer may be older than others: a summary of a whole run.
 * @returns {{data: any, error: string | null, isLoading: boolean, isCurrent: boolean}} `isCurrent`: whether the answer is for these parameters.
 */
export function useAnswer(name, params, version, isRare = false) {
  const key = name === null ? null : apiUrl(name, params);
  const [state, setState] = useState({ key: "", data: null, error: null, isLoading: true });
  const owner = useRef(/** @type {Owner} */ ({ key: null, aborter: new AbortController(), dueMs: 0 })).current;
  useEffect(() => {
    // A new version doesn't abort a request that is under way, or it might never complete.
    owner.aborter = new AbortController();
    return () => {
      owner.aborter.abort();
      owner.key = null;
      waiting.delete(owner);
    };
  }, [key]);
  useEffect(() => {
    if (key === null || name === null) return;
    const { signal } = owner.aborter;
    const load = async () => {
      try {
        const { answer, cpuMs } = await getTimed(name, params, signal);
        const waitMs = isRare ? Math.min(MAX_RARE_WAIT_MS, cpuMs * RARE_FACTOR) : 0;
        owner.dueMs = performance.now() + waitMs;
        setState({ key, data: answer, error: null, isLoading: false });
        return cpuMs;
      } catch (error) {
        if (!signal.aborted) {
          setState((old) => ({
            key,
            // A live run may be unreadable for a moment. The answer to other parameters must not stay.
            data: old.key === key ? old.data : null,
            error: explain(/** @type {Error} */ (error)),
            isLoading: false,
          }));
        }
        return 0;
      }
    };
    setState((old) => ({ ...old, isLoading: true }));
    if (owner.key === key) repeat(owner, load);
    else load();
    owner.key = key;
  }, [key, version]);
  if (key === null) return { data: null, error: null, isLoading: false, isCurrent: true };
  return { ...state, isCurrent: state.key === key };
}

/** @param {Error} error */
export function explain(error) {
  if (error instanceof TypeError) return "The server doesn't answer. Is `logflume ui` running?";
  return error.message;
}

/** Return what is damaged in a run, as soon as an answer reports it. @param {string} run */
export function useDamage(run) {
  const [damage, setDamage] = useState({ run, text: "" });
  useEffect(() => {
    const note = (/** @type {any} */ event) => event.detail.run === run && setDamage(event.detail);
    addEventListener("damage", note);
    return () => removeEventListener("damage", note);
  }, [run]);
  return damage.run === run ? damage.text : "";
}

/**
 * Follow runs: return a text that changes with every write to one of them.
 * @param {string[]} runs
 * @returns {string | null} Null until the first answer.
 */
export function useVersion(runs) {
  const [version, setVersion] = useState(/** @type {string | null} */ (null));
  const ticks = useTicks(INTERVAL_MS);
  useEffect(() => {
    if (!runs.length) return undefined;
    const aborter = new AbortController();
    get("versions", { run: runs }, aborter.signal).then(
      ({ versions }) => setVersion(JSON.stringify(versions)),
      // The view's own request shows the error.
      () => aborter.signal.aborted || setVersion((old) => old ?? ""),
    );
    return () => aborter.abort();
  }, [runs.join("\n"), ticks]);
  return version;
}

/** Return a number that grows at an interval while the page is visible. @param {number} intervalMs */
export function useTicks(intervalMs) {
  const [ticks, setTicks] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setTicks((old) => old + 1), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return ticks;
}
