/** The map of prompts by step: a row for each prompt, a cell for each visit, coloured by its measure. */
import { resolve } from "../lib/colors.js";
import { html, useEffect, useRef, useState } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { url } from "../lib/route.js";
import { visitText } from "./visit_measure.js";

const SHADES = 24;
const HEIGHT_PIXELS = 640;
const ROW_PIXELS = [1, 14];
const MIN_CELL_PIXELS = 2;
const TEXT = 160;

/** @param {{run: string, prompts: any[], span: [number, number], measure: import("./visit_measure.js").Measure, link: Record<string, string | undefined>}} props `link`: the query of a prompt's address. */
export function PromptMap({ run, prompts, span, measure, link }) {
  const canvas = useRef(null);
  const [tip, setTip] = useState(/** @type {any} */ (null));
  const row = Math.min(ROW_PIXELS[1], Math.max(ROW_PIXELS[0], HEIGHT_PIXELS / prompts.length));
  const height = Math.ceil(row * prompts.length);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => canvas.current && paint(canvas.current, prompts, span, measure, row, height);
    const observer = new ResizeObserver(draw);
    observer.observe(canvas.current);
    scheme.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", draw);
    };
  }, [prompts, span.join(), measure.title, measure.low, measure.high]);
  const promptAt = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const prompt = prompts[Math.floor((event.clientY - box.top) / row)];
    const step = span[0] + ((event.clientX - box.left) / box.width) * (span[1] - span[0] + 1);
    return prompt && { prompt, visit: nearestVisit(prompt.seen, step), x: event.clientX - box.left, y: event.clientY - box.top, width: box.width };
  };
  return html`<div class="panel prompt-map" data-map>
    <canvas ref=${canvas} style=${{ height: `${height}px` }} role="img"
      aria-label=${`${prompts.length} prompts by step; the list has the same prompts with their figures`}
      onMouseMove=${(event) => setTip(promptAt(event) ?? null)} onMouseLeave=${() => setTip(null)}
      onClick=${(event) => {
        const at = promptAt(event);
        if (at) location.hash = url(["run", run, "prompt", at.prompt.prompt_id], link);
      }}></canvas>
    <div class="steps"><span>step ${number(span[0])}</span><span>step ${number(span[1])}</span></div>
    ${tip && html`<div class="tip" style=${tip.x > tip.width / 2 ? { right: `${tip.width - tip.x + 20}px`, top: `${tip.y + 16}px` } : { left: `${tip.x + 20}px`, top: `${tip.y + 16}px` }}>
      ${visible((tip.prompt.question ?? tip.prompt.prompt_id).slice(0, TEXT))}
      ${tip.visit && html`<div class="muted">${visitText(tip.visit)}</div>`}</div>`}
  </div>`;
}

function nearestVisit(seen, step) {
  const known = seen.filter((visit) => visit[0] !== null);
  return known.reduce((best, visit) => (Math.abs(visit[0] + 0.5 - step) < Math.abs(best[0] + 0.5 - step) ? visit : best), known[0]);
}

function paint(canvas, prompts, span, measure, row, height) {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = resolve("--sunken");
  context.fillRect(0, 0, width, height);
  const [low, high] = [resolve("--reward-low"), resolve("--reward-high")];
  const shades = Array.from({ length: SHADES }, (_, i) => `color-mix(in oklab, ${high} ${(100 * i) / (SHADES - 1)}%, ${low})`);
  const size = measure.high - measure.low;
  const cell = width / (span[1] - span[0] + 1);
  const gap = row >= 6 ? 1 : 0;
  prompts.forEach((prompt, i) => {
    for (const visit of prompt.seen) {
      const [step] = visit;
      const value = measure.of(visit);
      if (step === null) continue;
      const share = typeof value !== "number" ? null : size > 0 ? (value - measure.low) / size : 0.5;
      context.fillStyle = share === null ? resolve("--line-strong") : shades[Math.round(share * (SHADES - 1))];
      context.fillRect((step - span[0]) * cell, i * row, Math.max(MIN_CELL_PIXELS, cell - (cell > 4 ? 1 : 0)), row - gap);
    }
  });
}
