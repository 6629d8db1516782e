/** The page: the bar at the top, and the view in the URL. */
import { useAnswer, useDamage, useTicks, useVersion } from "./lib/api.js";
import { html, render, useEffect } from "./lib/dom.js";
import { visible } from "./lib/format.js";
import { decoded, url, useRoute } from "./lib/route.js";
import { Empty, ErrorLine, Status } from "./parts/states.js";
import { Compare } from "./views/compare.js";
import { Completions } from "./views/completions.js";
import { Findings } from "./views/findings.js";
import { Prompt } from "./views/prompt.js";
import { Prompts } from "./views/prompts.js";
import { Run } from "./views/run.js";
import { Runs } from "./views/runs.js";

const RUN_VIEWS = { "": Run, completions: Completions, prompts: Prompts, prompt: Prompt, findings: Findings };
const TABS = [
  ["", "Curves"],
  ["completions", "Completions"],
  ["prompts", "Prompts"],
  ["findings", "Findings"],
];

function App() {
  const { path, query } = useRoute();
  useEffect(() => {
    document.title = path[1] ? `${visible(path[1])} · logflume` : "logflume";
  }, [path[1]]);
  if (path.length === 0) return html`<${RunsPage} query=${query} />`;
  if (path[0] === "compare") {
    const runs = (query.runs ?? "").split(",").filter(Boolean).map(decoded);
    return html`<div><${Bar} place="Compare" /><main><${Compare} runs=${runs} query=${query} /></main></div>`;
  }
  if (path[0] === "run" && path[1] && (path[2] ?? "") in RUN_VIEWS) {
    return html`<${RunPage} key=${path[1]} run=${path[1]} view=${path[2] ?? ""} rest=${path.slice(3)} query=${query} />`;
  }
  return html`<div><${Bar} /><main><${Empty} title="This view doesn't exist."><a href="#/">All runs</a><//></main></div>`;
}

/** @param {{query: Record<string, string>}} props */
function RunsPage({ query }) {
  const version = useTicks(2000);
  const answer = useAnswer("runs", {}, version);
  return html`<div><${Bar} /><main><${Runs} answer=${answer} query=${query} /></main></div>`;
}

/** @param {{run: string, view: string, rest: string[], query: Record<string, string>}} props */
function RunPage({ run, view, rest, query }) {
  const damage = useDamage(run);
  const version = useVersion([run]);
  const { data: summary, error } = useAnswer(version === null ? null : "run", { run }, version);
  const View = RUN_VIEWS[view];
  const tab = view === "prompt" ? "prompts" : view;
  return html`<div>
    <${Bar} place=${run} status=${summary?.status}>
      <nav>${TABS.map(([name, text]) => html`<a key=${name}
        href=${url(name ? ["run", run, name] : ["run", run])}
        aria-current=${name === tab ? "page" : undefined}>${text}</a>`)}</nav>
    <//>
    <main>
      <${ErrorLine} text=${damage ? `${damage}. The page shows what is left.` : null} />
      ${error && !summary
        ? html`<${Empty} title=${visible(error)}><a href="#/">All runs</a><//>`
        : html`<${ErrorLine} text=${error} />`}
      ${version !== null && (summary || !error) && html`<${View} run=${run} rest=${rest} query=${query} version=${version} summary=${summary} />`}
    </main>
  </div>`;
}

/** @param {{place?: string, status?: string, children?: unknown}} props */
function Bar({ place, status, children }) {
  return html`<header class="top">
    <a class="brand" href="#/"><img src="icon.svg" alt="" />logflume</a>
    ${place && html`<span class="where" title=${visible(place)}>${visible(place)}</span>`}
    ${children}
    <span class="end">${status === "running" && html`<${Status} status="running" />`}</span>
  </header>`;
}

render(html`<${App} />`, document.getElementById("app"));
