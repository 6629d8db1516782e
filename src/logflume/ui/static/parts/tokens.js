/** The tokens of a completion, coloured by what the trainer knows about them. */
import { useAnswer } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { pieceTexts } from "../lib/pieces.js";
import { meanOf, numbersOf } from "../lib/statistics.js";
import { ErrorLine } from "./states.js";

const NATS = 5; // the log-probability with the strongest colour
const FACTOR = Math.log(1.5); // the logarithm of the ratio with the strongest colour

/** What the colour shows: a title, the value of a token, its strength from -1 to 1, and a legend. */
export const MEASURES = {
  logprob: { title: "log-probability", lists: ["logprob"], of: (one, i) => one.logprob[i], strength: (x) => x / NATS, legend: ["likely", "unlikely"] },
  sampler_logprob: { title: "sampler's log-probability", lists: ["sampler_logprob"], of: (one, i) => one.sampler_logprob[i], strength: (x) => x / NATS, legend: ["likely", "unlikely"] },
  ratio: { title: "ratio", lists: ["ratio"], of: (one, i) => one.ratio[i], strength: (x) => Math.log(x) / FACTOR, legend: ["1", "above 1", "below 1"] },
  sampler: { title: "trainer − sampler, nats", lists: ["logprob", "sampler_logprob"], of: (one, i) => minus(one.logprob[i], one.sampler_logprob[i]), strength: (x) => x / FACTOR, legend: ["equal", "higher", "lower"] },
  ref: { title: "policy − reference, nats", lists: ["logprob", "ref_logprob"], of: (one, i) => minus(one.logprob[i], one.ref_logprob[i]), strength: (x) => x / (NATS / 2), legend: ["equal", "higher", "lower"] },
};

/** @param {{run: string, id: string, step: number, measure: string}} props */
export function Tokens({ run, id, step, measure }) {
  const { data, error } = useAnswer("tokens", { run, id, step });
  if (!data) return html`<${ErrorLine} text=${error} />`;
  const known = Object.keys(MEASURES).filter((name) => MEASURES[name].lists.every((list) => list in data));
  const shown = known.includes(measure) ? measure : known[0];
  const texts = data.piece ? pieceTexts(data.piece) : data.token_id.map((token) => ` ${token}`);
  const values = texts.map((_, i) => (shown ? MEASURES[shown].of(data, i) : null));
  const own = numbersOf(values.filter((_, i) => data.mask?.[i] !== 0));
  return html`<div data-tokens=${id}>
    <pre class="tokens" dir="auto">${texts.map((text, i) => html`<span key=${i} class=${data.mask?.[i] === 0 ? "masked" : ""}
      style=${{ background: shown && data.mask?.[i] !== 0 ? colorOf(values[i], shown) : undefined }} title=${titleOf(data, i)}>${withBreaks(text)}</span>`)}</pre>
    <p class="muted small">${shown
      ? `${MEASURES[shown].title}${shown === measure ? "" : " (the chosen measure was not recorded)"}: mean ${number(meanOf(own))}`
      : "The trainer recorded no probabilities of these tokens."}${data.mask?.includes(0) ? " · grey: not the model's own" : ""}${
      data.count > texts.length ? ` · the first ${number(texts.length)} of ${number(data.count)} tokens` : ""}</p>
  </div>`;
}

/** @param {{measure: string}} props */
export function TokenLegend({ measure }) {
  const [none, up, down] = (MEASURES[measure] ?? MEASURES.logprob).legend;
  const swatch = (strength, text) => html`<span class="nowrap"><i class="swatch" style=${{ background: tint(strength), outline: "1px solid var(--line)" }}></i> ${text}</span>`;
  return html`<span class="legend">${swatch(0, none)}${down ? [swatch(1, up), swatch(-1, down)] : swatch(-1, up)}</span>`;
}

function colorOf(value, measure) {
  if (typeof value !== "number") return value === undefined || value === null ? "none" : tint(-1); // NaN, -Infinity
  return tint(MEASURES[measure].strength(value));
}

/** Blue above zero, orange below. @param {number} strength From -1 to 1. */
function tint(strength) {
  const part = Math.round(Math.min(1, Math.abs(strength)) * 62);
  return part ? `color-mix(in srgb, var(--reward-${strength > 0 ? "high" : "low"}) ${part}%, transparent)` : "transparent";
}

function titleOf(data, i) {
  const names = ["logprob", "sampler_logprob", "ref_logprob", "ratio", "mask", "token_id"].filter((name) => name in data);
  return [`token ${i}: ${visible(data.piece?.[i] ?? "")}`, ...names.map((name) => `${name} ${number(data[name][i])}`)].join("\n");
}

/** The text of a token, with visible line breaks. */
function withBreaks(text) {
  return visible(text).replaceAll("\n", "↵\n");
}

function minus(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : null;
}
