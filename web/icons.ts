import { html } from './html.ts';

/** Small pictures beside a heading; they say nothing that the heading does not, so readers skip them. */
export const icons = {
  bad: html`<svg viewBox="0 0 36 36" aria-hidden="true" focusable="false"><circle cx="18" cy="18" r="16" fill="none" stroke="currentColor" stroke-width="2.5"/><path d="M18 10v10M18 25.5v.2" fill="none" stroke="currentColor" stroke-width="3.2" stroke-linecap="round"/></svg>`,
  wait: html`<svg viewBox="0 0 36 36" aria-hidden="true" focusable="false"><circle cx="18" cy="18" r="15" fill="none" stroke="currentColor" stroke-opacity=".25" stroke-width="4"/><path d="M18 3a15 15 0 0 1 15 15" fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round"/></svg>`,
} as const;
