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

/* On a phone the menu scrolls: to where we are. */
document.addEventListener("DOMContentLoaded", () => {
  const menu = document.querySelector(".menu"), here = menu && menu.querySelector("[aria-current]");
  if (here) menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;
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

/* The editor: numbers of lines beside it, those with faults marked; a fault leads to its line. */
const editor = document.querySelector("[data-editor]");
const gutter = document.getElementById("gutter");
function number() {
  if (!editor || !gutter) return;
  const bad = new Set(), odd = new Set();
  for (const each of document.querySelectorAll(".fault[data-line]")) bad.add(+each.dataset.line);
  for (const each of document.querySelectorAll(".warning[data-line]")) odd.add(+each.dataset.line);
  const lines = editor.value.split("\n").length;
  gutter.replaceChildren();
  for (let line = 1; line <= lines; line++) {
    const piece = document.createElement(bad.has(line) ? "b" : odd.has(line) ? "i" : "span");
    piece.textContent = line;
    gutter.append(piece, "\n");
  }
  gutter.scrollTop = editor.scrollTop;
}
if (editor) {
  editor.addEventListener("input", number);
  editor.addEventListener("scroll", () => { gutter.scrollTop = editor.scrollTop; });
  document.addEventListener("htmx:afterSettle", number);
  document.addEventListener("DOMContentLoaded", number);
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-goto]");
    if (!target) return;
    const lines = editor.value.split("\n"), line = +target.dataset.goto;
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    editor.focus();
    editor.setSelectionRange(start, start + lines[line - 1].length);
    editor.scrollTop = Math.max(0, (line - 8) * 20);
  });
}

/* A picture that cannot be had: a hatched piece in its place, as large. */
document.addEventListener("error", (event) => {
  if (!event.target.matches || !event.target.matches(".fx-bubble img")) return;
  const piece = document.createElement("span");
  piece.className = event.target.className + " fx-missing";
  event.target.replaceWith(piece);
}, true);
