/** A histogram of the rewards of a step. A click on a bar, or a drag over several, filters by it. */
import { html, useRef, useState } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { setQuery } from "../lib/route.js";
import { isClose } from "../lib/statistics.js";

const BINS = 24;
const HEIGHT_PIXELS = 30;

/** @param {{rewards: number[], query: Record<string, string>}} props */
export function Histogram({ rewards, query }) {
  const [dragged, setDragged] = useState(/** @type {[number, number] | null} */ (null));
  const start = useRef(/** @type {number | null} */ (null));
  if (rewards.length < 2) return null;
  const low = Math.min(...rewards);
  const high = Math.max(...rewards);
  if (isClose(low, high)) return html`<span class="muted small">all ${number(low)}</span>`;
  const width = (high - low) / BINS;
  const counts = new Array(BINS).fill(0);
  for (const reward of rewards) counts[Math.min(BINS - 1, Math.floor((reward - low) / width))]++;
  const most = Math.max(...counts);
  const isFiltered = Boolean(query.min || query.max);
  const [min, max] = [Number(query.min || -Infinity), Number(query.max || Infinity)];
  const isChosen = (i) => {
    if (dragged) return i >= dragged[0] && i <= dragged[1];
    const middle = low + (i + 0.5) * width;
    return isFiltered && middle >= min && middle <= max;
  };
  const choose = (from, to) => setQuery({ min: round(low + from * width, -1), max: round(low + (to + 1) * width, 1) });
  const end = () => {
    if (dragged && start.current !== null) choose(...dragged);
    start.current = null;
    setDragged(null);
  };
  return html`<div class="histogram" role="group" aria-label="Histogram of rewards" title="click or drag to filter by reward"
      onPointerUp=${end} onPointerLeave=${() => { start.current = null; setDragged(null); }}>
    ${counts.map((count, i) => {
      const label = `${count} completions with a reward from ${number(low + i * width)} to ${number(low + (i + 1) * width)}`;
      return html`<button key=${i} class=${isChosen(i) ? "chosen" : ""} title=${label} aria-label=${label} aria-pressed=${isChosen(i)} tabindex=${count ? 0 : -1}
        onPointerDown=${(event) => { event.currentTarget.releasePointerCapture?.(event.pointerId); start.current = i; }}
        onPointerEnter=${() => start.current !== null && start.current !== i && setDragged([Math.min(start.current, i), Math.max(start.current, i)])}
        onClick=${() => (isChosen(i) && !dragged ? setQuery({ min: "", max: "" }) : choose(i, i))}>
        <i style=${{ height: count ? `${3 + (count / most) * (HEIGHT_PIXELS - 3)}px` : "1px" }}></i></button>`;
    })}
  </div>`;
}

/** Round outwards to a short number: down if the sign is negative, else up. */
function round(value, sign) {
  const digits = 1e4;
  return (sign < 0 ? Math.floor(value * digits) : Math.ceil(value * digits)) / digits;
}
