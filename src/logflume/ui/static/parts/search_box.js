/** A search field whose text reaches the URL once typing pauses. */
import { html, useEffect, useRef, useState } from "../lib/dom.js";

const TYPING_MS = 250;

/**
 * @param {Object} props
 * @param {string} props.value The text in the URL.
 * @param {(text: string) => void} props.onChange
 * @param {string} props.label
 * @param {string} props.placeholder
 * @param {string} [props.id]
 */
export function SearchBox({ value, onChange, label, placeholder, id }) {
  const input = useRef(null);
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    // A link may lead to another search; what is being typed stays.
    if (document.activeElement !== input.current) setText(value);
  }, [value]);
  return html`<input type="search" ref=${input} id=${id} value=${text} placeholder=${placeholder} aria-label=${label}
    onInput=${(event) => setText(event.target.value)} />`;
}
