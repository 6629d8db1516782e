/** URLs of views: `#/run/<id>/completions?step=40`. The hash determines everything that a view shows. */
import { useEffect, useState } from "./dom.js";

/**
 * @typedef {Object} Route
 * @property {string[]} path The parts of the path, decoded.
 * @property {Record<string, string>} query
 */

/** @returns {Route} */
export function currentRoute() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** Decode a part of a hash. It may be typed by hand, so one that isn't encoded stays as it is. */
export function decoded(/** @type {string} */ part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Return the URL of a view. Empty values are omitted from the query.
 * @param {string[]} path
 * @param {Record<string, unknown>} [query]
 */
export function url(path, query = {}) {
  const set = Object.entries(query).filter(([, v]) => v !== undefined && v !== null && v !== "");
  const search = new URLSearchParams(set.map(([name, value]) => [name, String(value)]));
  const text = search.size ? `?${search}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${text}`;
}

/**
 * Change values in the query of the view. All changes are one entry of the history.
 * @param {Record<string, unknown>} changes
 */
export function setQuery(changes) {
  const { path, query } = currentRoute();
  history.replaceState(null, "", url(path, { ...query, ...changes }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Follow the URL. @returns {Route} */
export function useRoute() {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}
