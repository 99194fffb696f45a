// The panel beside the conversation: the sources of an answer with their spread, or one document open at the quoted place.
import { listen, say as tell } from "./live.js";
import { cardElement, numbersOf } from "./messages.js";
import { documentUrl, el, icon, iconButton, narrow, say } from "./parts.js";

const panel = document.getElementById("panel");
let opener = null;
let shown = null; // the answer whose sources the reader was opened from
let wanted = 0;

const WIDENED = 240; // ms: the conversation has taken its new width (its transition is 180)

function show(title, content, back) {
  if (panel.hidden) setTimeout(() => opener?.scrollIntoView({ block: "nearest" }), WIDENED); // the text was broken anew around it
  panel.replaceChildren(
    el("div", { class: "panel-head" }, back ? el("button", { type: "button", class: "tool-text", onclick: back }, say("panel_back")) : el("h2", {}, title),
      iconButton("close", say("panel_close"), close)),
    el("div", { class: "panel-body" }, content));
  panel.hidden = false;
  document.body.classList.add("with-panel");
}

export function close() {
  if (panel.hidden) return false;
  panel.hidden = true;
  document.body.classList.remove("with-panel");
  for (const mark of document.querySelectorAll(".cite.open")) mark.classList.remove("open");
  opener?.isConnected && opener.focus();
  opener = null;
  return true;
}

export function sources(message, numbers, from) {
  opener = from ?? opener;
  shown = message;
  const used = numbers ?? numbersOf(message);
  const cards = [...message.cards].sort((a, b) => Number(used.has(b.document_id)) - Number(used.has(a.document_id)));
  show(say("panel"), [
    ...spread(message.spread ?? []),
    el("ul", { class: "panel-cards" }, cards.map((card) => el("li", {}, cardElement(message, card, used.get(card.document_id), true)))),
  ]);
  panel.focus({ preventScroll: true });
}

function spread(parts) {
  if (!parts.length) return [];
  return [el("section", { class: "spread", "aria-label": say("spread") }, parts.map(({ by, counts }) => {
    if (counts.length === 1) return el("p", { class: "spread-one" }, el("span", {}, say(`by_${by}`)), counts[0][0]);
    const most = Math.max(...counts.map(([, count]) => count));
    return el("div", { class: "spread-part" }, el("h3", {}, say(`by_${by}`)), el("ul", {}, counts.map(([name, count]) =>
      el("li", {}, el("span", { class: "spread-name" }, name), el("span", { class: "spread-bar", "aria-hidden": "true" }, el("i", { style: `width:${(100 * count) / most}%` })), el("span", { class: "spread-count" }, String(count))))));
  }))];
}

export function open(event, place, from, message) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1) return; // a new tab, as the browser does it
  if (narrow()) {
    if (!event.currentTarget?.href) location.href = documentUrl(place);
    return;
  }
  event.preventDefault();
  if (!panel.contains(event.currentTarget)) opener = from ?? event.currentTarget;
  shown = message ?? shown;
  for (const mark of document.querySelectorAll(".cite.open")) mark.classList.remove("open");
  from?.classList.add("open");
  wanted += 1;
  tell("chat", { op: "read", key: String(wanted), document_id: place.document_id, start: place.start, end: place.end });
}

listen((message) => {
  if (message.op === "failed" && message.about === "read") show(say("panel"), el("p", { class: "failure" }, icon("warning"), message.message));
  if (message.op !== "reader" || message.key !== String(wanted)) return;
  const body = el("div", { class: "reader-place", html: message.html });
  show(say("panel"), body, shown ? () => sources(shown) : null);
  const quote = body.querySelector("mark");
  if (quote) {
    const scroller = body.closest(".panel-body");
    const down = quote.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    if (down > scroller.clientHeight * 0.6) scroller.scrollTop += down - scroller.clientHeight * 0.25;
  }
  panel.focus({ preventScroll: true });
});
