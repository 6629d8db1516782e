/** What a view shows instead of its content: an error, nothing yet, or that there is nothing. */
import { html } from "../lib/dom.js";
import { visible } from "../lib/format.js";

/** @param {{text: string | null}} props */
export function ErrorLine({ text }) {
  return text ? html`<p class="error" role="alert">${visible(text)}</p>` : null;
}

/** @param {{title: string, children?: unknown}} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong>${children}</div>`;
}

/** @param {{status: string}} props */
export function Status({ status }) {
  return html`<span class=${`status ${/^[a-z]+$/.test(status) ? status : ""}`}>${
    status === "running" ? "live" : visible(status)
  }</span>`;
}
