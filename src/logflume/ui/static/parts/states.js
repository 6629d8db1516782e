/** States that all views show: errors, empty views, the status of a run, the severity of a finding. */
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

/** The severity of a finding, one of those that have a colour. @param {{severity?: string}} alert */
export function severityOf({ severity }) {
  return severity === "info" || severity === "critical" ? severity : "warning";
}

/** Findings in the order they were logged, sorted: the most severe first, and of these the newest. @param {any[]} alerts */
export function bySeverity(alerts) {
  const rank = (alert) => ["critical", "warning", "info"].indexOf(severityOf(alert));
  return [...alerts].reverse().sort((a, b) => rank(a) - rank(b));
}

/** @param {{status: string}} props */
export function Status({ status }) {
  return html`<span class=${`status ${/^[a-z]+$/.test(status) ? status : ""}`}>${
    status === "running" ? "live" : visible(status)
  }</span>`;
}
