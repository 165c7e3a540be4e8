/* The little that the console's pages do in the browser besides htmx. */
"use strict";

/* Theme: what was chosen, else what the system prefers. */
const root = document.documentElement;
const kept = localStorage.getItem("linegate-theme");
if (kept) root.dataset.theme = kept;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-switch]");
  if (!button) return;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("linegate-theme", root.dataset.theme);
});

/* What cannot be undone is asked for once more. */
document.addEventListener("submit", (event) => {
  const words = event.target.dataset.confirm;
  if (words && !confirm(words)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if ("submits" in event.target.dataset) event.target.form.requestSubmit();
});

/* A bubble's own sizes and colours. The policy of the page forbids style attributes; the values
   were checked by the server, one by one, and are set through the object model. */
function dress(within) {
  for (const piece of within.querySelectorAll("[data-css]")) {
    piece.style.cssText = piece.dataset.css;
    piece.removeAttribute("data-css");
  }
}
document.addEventListener("DOMContentLoaded", () => dress(document));
document.addEventListener("htmx:afterSwap", (event) => dress(event.detail.elt.parentElement || document));
document.addEventListener("htmx:afterSettle", () => dress(document));

/* A session that has ended: to the door, not into a piece of a page. */
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.assign("/console/login");
});
