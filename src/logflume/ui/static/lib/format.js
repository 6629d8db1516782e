/** Numbers, times and texts as the page shows them. */

/**
 * @param {unknown} value Anything but a number is shown as it is.
 * @param {number} [digits] The maximum number of significant digits.
 */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return visible(String(value));
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size < 1e-12) return "0"; // the difference of equal numbers, after rounding
  if (size >= 1e6 || size < 1e-3) return value.toExponential(Math.max(2, digits - 2)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** A large number, such as 1.2M. @param {number} value */
export function compact(value) {
  return COMPACT.format(value);
}

const ROUNDING = 1e-9; // of shares that were computed

/** A share in percent. One that is nearly none or all isn't shown as 0% or 100%. @param {number | null | undefined} share */
export function percent(share) {
  if (typeof share !== "number") return "–";
  if (share > ROUNDING && share < 0.01) return "<1%";
  if (share > 0.99 && share < 1 - ROUNDING) return ">99%";
  return `${Math.round(share * 100)}%`;
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (typeof seconds !== "number") return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${(hours / 24).toFixed(1)} days`;
}

/** @param {string | null | undefined} iso */
export function time(iso) {
  if (!iso) return "–";
  return new Date(iso).toLocaleString("sv-SE").slice(0, 16);
}

const HIDDEN =
  // Controls, direction marks and zero-width characters, which would change or hide other text.
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Return a text with hidden characters escaped. @param {unknown} text */
export function visible(text) {
  return String(text ?? "").replace(HIDDEN, (c) => {
    const code = c.charCodeAt(0);
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Any value of a field as text. @param {unknown} value */
export function plain(value) {
  if (typeof value === "number") return number(value);
  if (value !== null && typeof value === "object") return visible(JSON.stringify(value));
  return value === null || value === undefined ? "–" : visible(value);
}

/** `rewards/correctness_reward_func/mean` → `correctness_reward_func`. @param {string} name */
export function functionKey(name) {
  return name.replace(/^(reward\.)?rewards\//, "").replace(/\/(mean|std)$/, "");
}

/** `rewards/correctness_reward_func/mean` → `correctness`. @param {string} name */
export function functionName(name) {
  const short = functionKey(name);
  return visible(short.replace(/_(reward|rewards)?_?(func|fn|function)$/, "") || short);
}
