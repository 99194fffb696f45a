// How a question and an answer look. An answer goes through: waiting → sources → draft (plain text) → final (safe HTML), or a failure.
import { request } from "./live.js";
import { announce, data, documentUrl, el, icon, iconButton, marked, say } from "./parts.js";

const SHOWN_CARDS = 3;
let actions = {};
export const use = (given) => { actions = given; };

export function questionElement(message) {
  const body = el("div", { class: "bubble" }, message.text);
  return el("section", { class: "turn question", dataset: { id: message.id ?? "", position: message.position ?? "" }, "aria-label": say("you") },
    body, el("div", { class: "turn-tools" }, iconButton("edit", say("edit"), (event) => editQuestion(event.currentTarget.closest(".turn"), message))));
}

function editQuestion(turn, message) {
  if (turn.querySelector("form") || actions.isRunning()) return;
  const bubble = turn.querySelector(".bubble");
  const area = el("textarea", { class: "field", rows: Math.min(10, message.text.split("\n").length + 1), "aria-label": say("edit"), maxlength: 20000 });
  area.value = message.text;
  const close = () => { form.remove(); turn.classList.remove("editing"); turn.querySelector(".turn-tools button")?.focus(); };
  const form = el("form", { class: "edit", onsubmit: (event) => {
    event.preventDefault();
    const text = area.value.trim();
    if (!text) return;
    close();
    actions.ask({ text, replaces: message.id, from: turn });
  } }, area, el("p", { class: "small muted" }, say("edit_note")), el("div", { class: "row" },
    el("button", { type: "submit", class: "button primary" }, say("edit_save")),
    el("button", { type: "button", class: "button", onclick: close }, say("edit_cancel"))));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.stopPropagation(); close(); }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  turn.classList.add("editing");
  bubble.after(form);
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}

// -- an answer that is being written ---------------------------------------------------------------------------------
export class Writing {
  constructor() {
    this.state = el("p", { class: "state" }, el("span", { class: "steam", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", {}, say("looking")));
    this.place = el("div", { class: "cards-place" });
    this.node = document.createTextNode("");
    this.draft = el("div", { class: "text draft", "aria-hidden": "true", hidden: true }, this.node);
    this.element = el("section", { class: "turn answer writing", "aria-label": say("answer"), "aria-busy": "true" },
      el("div", { class: "avatar" }, icon("samovar")), el("div", { class: "body" }, this.place, this.draft, this.state));
  }

  found(message) {
    this.place.replaceChildren(...sourceRow(message));
    this.state.lastChild.textContent = say("waiting");
  }

  add(text) {
    this.draft.hidden = false;
    this.state.lastChild.textContent = say("writing");
    this.node.appendData(text);
  }

  fail(failure, retry) {
    this.element.classList.remove("writing");
    this.element.removeAttribute("aria-busy");
    this.state.replaceWith(failureElement(failure, retry));
  }
}

export function failureElement(failure, retry) {
  const text = el("div", { class: "failure-text" }, el("strong", {}, say(`failed_${failure.kind}`)), el("span", { class: "small" }, failure.message));
  const box = el("div", { class: "failure", role: "alert" }, icon("warning"), text);
  if (failure.kind === "login") {
    box.append(el("a", { class: "button", href: `/login?next=${encodeURIComponent(location.pathname)}` }, say("log_in")));
  } else if (retry) {
    box.append(retryButton(failure.retry_seconds, retry));
  }
  return box;
}

export function retryButton(seconds, retry) {
  const button = el("button", { type: "button", class: "button", onclick: () => retry() }, say("try_again"));
  let left = Math.min(seconds || 0, 120);
  if (left > 0) {
    const tick = () => {
      button.disabled = left > 0;
      button.textContent = left > 0 ? say("try_in", { seconds: left }) : say("try_again");
      if (left-- > 0 && (button.isConnected || left > 0)) setTimeout(tick, 1000);
    };
    tick();
  }
  return button;
}

// -- sources ---------------------------------------------------------------------------------------------------------
function sourceRow(message, numbers = new Map()) {
  const cards = message.cards ?? [];
  if (!cards.length) return [];
  const order = cards.filter((card, index) => cards.findIndex((one) => one.document_id === card.document_id) === index).sort((a, b) => Number(numbers.has(b.document_id)) - Number(numbers.has(a.document_id)));
  const row = el("ul", { class: "cards", "aria-label": say("sources_label") },
    order.slice(0, SHOWN_CARDS).map((card) => el("li", {}, cardElement(message, card, numbers.get(card.document_id)))));
  if (order.length > SHOWN_CARDS) {
    row.append(el("li", {}, el("button", { type: "button", class: "card-more", onclick: (event) => actions.sources(message, numbers, event.currentTarget) },
      say("sources_more", { count: order.length - SHOWN_CARDS }))));
  }
  return [row];
}

export function cardElement(message, card, numbers, full = false) {
  const facts = [card.publisher || card.source, (card.published || "").slice(0, 4)].filter(Boolean).join(" · ");
  return el("a", { class: `source${numbers ? " cited" : ""}${full ? " full" : ""}`, href: documentUrl(card), onclick: (event) => actions.open(event, card, null, message) },
    el("span", { class: "source-title" }, numbers ? el("span", { class: "source-number", title: say("cited", { numbers: numbers.join(", ") }) }, numbers.join(" ")) : null, card.title),
    el("span", { class: "source-facts" }, facts), el("span", { class: "source-snippet" }, marked(card.snippet)));
}

export function numbersOf(message) {
  const numbers = new Map();
  for (const citation of message.citations ?? []) {
    const known = numbers.get(citation.document_id) ?? [];
    if (!known.includes(citation.number)) numbers.set(citation.document_id, [...known, citation.number]);
  }
  return numbers;
}

// -- an answer that is there -----------------------------------------------------------------------------------------
export function answerElement(message, question, { last = false } = {}) {
  const numbers = numbersOf(message);
  const abstained = message.state === "abstained";
  const body = el("div", { class: "body" });
  const text = el("div", { class: "text", html: message.html });
  if (abstained) {
    body.append(el("div", { class: "abstention" }, el("p", { class: "abstention-title" }, icon("unknown"), el("strong", {}, say("abstained"))), text,
      el("div", { class: "row" },
        el("a", { class: "button", href: `/search?q=${encodeURIComponent(message.query || question?.text || "")}` }, icon("search"), say("abstained_search")),
        el("a", { class: "button", href: "/library" }, icon("library"), say("abstained_add")))));
    if (message.cards.length) body.append(el("p", { class: "small muted nearest" }, say("abstained_found")), ...sourceRow(message, numbers));
  } else {
    body.append(...sourceRow(message, numbers), text);
    if (message.unsupported) {
      body.append(el("p", { class: "legend" }, el("span", { class: "unsupported", "aria-hidden": "true" }, "\u00a0".repeat(6)), say("legend", { count: message.unsupported })));
    }
  }
  const remarks = remarksOf(message, question);
  if (remarks.length) body.append(el("ul", { class: "remarks" }, remarks.map((remark) => el("li", {}, remark))));
  body.append(toolsOf(message, question, numbers));
  text.addEventListener("click", (event) => {
    const button = event.target.closest("button.cite");
    const citation = button && message.citations.find((c) => c.number === Number(button.dataset.cite));
    if (citation) actions.open(event, citation, button, message);
  });
  return el("section", { class: `turn answer${abstained ? " abstained" : ""}${last ? " last" : ""}`, dataset: { id: message.id, position: message.position }, "aria-label": say("answer") },
    el("div", { class: "avatar" }, icon("samovar")), body);
}

function remarksOf(message, question) {
  const remarks = [...(message.notes ?? [])];
  if (message.status === "stopped") remarks.unshift(say("stopped"));
  if (message.status === "failed") remarks.unshift(say("broken"));
  if (message.stop_reason === "length") remarks.unshift(say("cut"));
  if (!message.state && message.status === "complete") remarks.push(say("bare"));
  if (message.query && message.state === "answered" && plain(message.query) !== plain(question?.text ?? "")) remarks.push(say("query", { query: message.query }));
  return remarks;
}

const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

function toolsOf(message, question, numbers) {
  const value = message.feedback?.value ?? 0;
  const opinion = (name, worth) => iconButton(name, say(name), (event) => give(event.currentTarget, message, worth), { "aria-pressed": String(value === worth), dataset: { worth } });
  const count = new Set((message.cards ?? []).map((card) => card.document_id)).size;
  return el("div", { class: "turn-tools" },
    iconButton("copy", say("copy"), (event) => copy(event.currentTarget, message)),
    question?.id ? iconButton("again", say("again"), () => actions.again(question)) : null,
    opinion("good", 1), opinion("bad", -1),
    count ? el("button", { type: "button", class: "tool-text", onclick: (event) => actions.sources(message, numbers, event.currentTarget) }, icon("chart"), say("sources", { count })) : null,
    message.written_by || message.model ? el("span", { class: "written-by" }, message.written_by || message.model) : null);
}

async function copy(button, message) {
  const sources = (message.citations ?? []).map((c) => `[${c.number}] ${c.title}`);
  const text = message.text + (sources.length ? `\n\n${sources.join("\n")}` : "");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "visually-hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy"); // without https the clipboard has no other door
    area.remove();
    button.focus();
  }
  announce(say("copied"));
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1200);
}

async function give(button, message, worth) {
  const tools = button.closest(".turn-tools");
  const now = button.getAttribute("aria-pressed") === "true" ? 0 : worth;
  if (!(await sendOpinion(message, now, ""))) return;
  for (const other of tools.querySelectorAll("[data-worth]")) other.setAttribute("aria-pressed", String(Number(other.dataset.worth) === now));
  tools.parentElement.querySelector(".comment")?.remove();
  if (now) tools.after(commentForm(message, now, button));
  else announce(say("thanks"));
}

function commentForm(message, worth, button) {
  const field = el("input", { class: "field", maxlength: 2000, placeholder: say("comment"), "aria-label": say("comment") });
  field.value = message.feedback?.value === worth ? message.feedback.comment : "";
  const form = el("form", { class: "comment", onsubmit: async (event) => {
    event.preventDefault();
    if (!(await sendOpinion(message, worth, field.value))) return;
    announce(say("thanks"));
    form.replaceWith(el("p", { class: "small muted comment" }, say("thanks")));
    button.focus();
  } }, field, el("button", { class: "button" }, say("comment_send")));
  return form;
}

async function sendOpinion(message, value, comment) {
  const kept = await request({ op: "rate", id: message.id, value, comment });
  if (kept) message.feedback = value ? { value, comment } : null;
  else actions.notice(say("failed_other"));
  return kept;
}

export function unanswered(question, retry) {
  return el("section", { class: "turn answer", "aria-label": say("answer") }, el("div", { class: "avatar" }, icon("samovar")),
    el("div", { class: "body" }, el("div", { class: "failure" }, icon("warning"), el("div", { class: "failure-text" }, el("strong", {}, say("no_answer"))), retryButton(0, () => retry(question)))));
}
