/** A condition on any column of the completions, built from parts or written in SQL. */
import { useAnswer } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { visible } from "../lib/format.js";
import { setQuery } from "../lib/route.js";

const TEXT = /string|utf8/;
const OPERATORS = ["=", "≠", ">", "<", "contains"];

/** @param {{run: string, step: number, query: Record<string, string>}} props */
export function Condition({ run, step, query }) {
  const [isOpen, setIsOpen] = useState(Boolean(query.where));
  const { data } = useAnswer(isOpen ? "columns" : null, { run, step });
  const columns = data?.columns ?? [];
  return html`<details class="condition" open=${isOpen} onToggle=${(event) => setIsOpen(event.currentTarget.open)}>
    <summary>any column${query.where ? html`: <code>${visible(query.where)}</code>` : ""}</summary>
    ${isOpen && html`<div class="row">
      <${Builder} columns=${columns} where=${query.where ?? ""} />
      <input type="text" class="where" aria-label="Condition in SQL" placeholder=${'or in SQL: completion_tokens > 500 and "rewards/total" < 1'}
        value=${query.where ?? ""} onChange=${(event) => setQuery({ where: event.target.value.trim() })} />
    </div>`}
  </details>`;
}

function Builder({ columns, where }) {
  const [name, setName] = useState("");
  const [operator, setOperator] = useState("=");
  const [value, setValue] = useState("");
  const column = columns.find((one) => one.name === name);
  const add = (event) => {
    event.preventDefault();
    if (!column || !value) return;
    const condition = conditionOf(column, operator, value);
    setQuery({ where: where ? `${where} and ${condition}` : condition });
    setValue("");
  };
  return html`<form class="row" onSubmit=${add}>
    <select aria-label="Column" value=${name} onChange=${(event) => setName(event.target.value)}>
      <option value="">column …</option>
      ${columns.map((one) => html`<option key=${one.name} value=${one.name}>${visible(one.name)}</option>`)}</select>
    <select aria-label="Comparison" value=${operator} onChange=${(event) => setOperator(event.target.value)}>
      ${OPERATORS.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>
    <input aria-label="Value" size="10" placeholder="value" value=${value} onInput=${(event) => setValue(event.target.value)} />
    <button disabled=${!column || !value}>Add</button>
  </form>`;
}

/**
 * @param {{name: string, type: string}} column
 * @param {string} operator One of `OPERATORS`.
 * @param {string} value
 */
function conditionOf({ name, type }, operator, value) {
  const quoted = `"${name.replaceAll('"', '""')}"`;
  const text = `'${value.replaceAll("'", "''")}'`;
  if (operator === "contains") return `contains(lower(${quoted}::varchar), lower(${text}))`;
  const isText = TEXT.test(type) || (type !== "bool" && !Number.isFinite(Number(value)));
  return `${quoted} ${operator === "≠" ? "is distinct from" : operator} ${isText ? text : value.trim()}`;
}
