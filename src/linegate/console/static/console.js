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

/* What is renewed keeps the keyboard's place and how far its tables and phones were scrolled. */
let place = null;
const reachable = (within) => [...within.querySelectorAll("a, button, [tabindex]")];
const scrolling = (within) => [...within.querySelectorAll(".wide, .screen")];
const called = (piece) => piece.getAttribute("aria-label") || piece.getAttribute("aria-labelledby");
document.addEventListener("htmx:beforeSwap", (event) => {
  const within = event.detail.target, focused = reachable(within).indexOf(document.activeElement);
  const scrolled = scrolling(within).map((each) => [called(each), each.scrollLeft, each.scrollTop]);
  const { textContent: words } = document.activeElement;
  place = { focused, scrolled, words, href: document.activeElement.getAttribute("href") };
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (!place) return;
  const within = event.detail.target, { focused, scrolled, words, href } = place;
  place = null;
  for (const [name, left, top] of scrolled) {
    const piece = scrolling(within).find((each) => called(each) === name);
    if (piece) piece.scrollTo(left, top);
  }
  if (focused < 0) return;
  const all = reachable(within), same = all.filter((each) => each.getAttribute("href") === href);
  const alike = same.find((each) => each.textContent === words) || same[0];
  const next = same.includes(all[focused]) ? all[focused] : alike;
  if (next) next.focus({ preventScroll: true });
});

/* A form is sent without leaving its page: where it is refused, what was typed stays. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || form.hasAttribute("hx-post")) return;
  event.preventDefault();
  send(form, event.submitter);
});
async function send(form, submitter) {
  const fields = new URLSearchParams(new FormData(form, submitter));
  const buttons = form.querySelectorAll("button");
  for (const each of buttons) each.disabled = true;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields });
    if (answer.redirected) location.assign(answer.url);
    else show(form, answer, new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    tell(form, "linegate does not answer. Try again in a moment.");
  } finally {
    for (const each of buttons) each.disabled = false;
  }
}
function show(form, answer, page) {
  const refused = page.querySelector("[role=alert]:not(#old)");
  if (answer.status === 401 && !refused) return location.assign("/console/login");
  if (!answer.ok) return tell(form, (refused || page.querySelector("main p")).textContent);
  const main = document.getElementById("main");
  document.title = page.title;
  main.replaceChildren(...page.getElementById("main").childNodes);
  dress(main);
  htmx.process(main);
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}
function tell(form, words) {
  for (const each of document.querySelectorAll("form > [role=alert]")) each.remove();
  const place = document.createElement("p");
  place.className = "said is-bad";
  place.setAttribute("role", "alert");
  place.textContent = words;
  form.prepend(place);
  place.scrollIntoView({ block: "nearest" });
}

/* What is fetched again and again says when it is old; what was sent says that it failed. A session
   that has ended leads to the door. */
document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, requestConfig, xhr, elt } = event.detail;
  if (xhr.status === 401) location.assign("/console/login");
  else if (requestConfig.verb === "get") age(!successful);
  else if (!successful) {
    const page = new DOMParser().parseFromString(xhr.responseText || "", "text/html");
    const words = page.querySelector("main p");
    tell(elt.closest("form"), words ? words.textContent : "linegate does not answer. Try again in a moment.");
  }
});
function age(isOld) {
  const place = document.getElementById("old");
  if (!place || place.hidden !== isOld) return;
  place.hidden = !isOld;
  const at = new Date().toISOString().slice(11, 19);
  place.textContent = isOld ? `linegate has not answered since ${at} UTC: this page is old.` : "";
}

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
  piece.style.cssText = event.target.style.cssText;
  event.target.replaceWith(piece);
}, true);
