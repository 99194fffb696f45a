// The conversation: what is asked goes up the live line, what comes down becomes elements. Knows messages.js for looks, panel.js for sources.
import { begun } from "./history.js";
import { listen, say as tell } from "./live.js";
import { answerElement, failureElement, questionElement, retryButton, unanswered, use, Writing } from "./messages.js";
import * as panel from "./panel.js";
import { announce, data, el, icon, iconButton, say } from "./parts.js";

const $ = (id) => document.getElementById(id);
const [main, log, area, older, notice, chips] = ["main", "log", "question", "older", "notice", "chips"].map($);
const draftKey = () => `samovar-draft:${location.pathname}`; // what was typed survives a reload of the page
const FOLLOW = 120; // px from the end within which new text keeps the end in sight
let conversation = data.conversation;
let running = null; // { key, text, replaces, from, writing, question }
let files = []; // { name, state, documents }
let only = data.only;
let count = 0;

use({ ask, again: (question) => ask({ text: "", replaces: question.id, from: turnOf(question.id) }), open: panel.open, sources: panel.sources,
  isRunning: () => running !== null, conversation: () => conversation?.id, notice: showNotice });

const turnOf = (id) => log.querySelector(`.turn[data-id="${CSS.escape(id)}"]`);
const atEnd = () => document.documentElement.scrollHeight - window.innerHeight - window.scrollY < FOLLOW;
const toEnd = () => {
  const go = () => window.scrollTo({ top: document.documentElement.scrollHeight });
  go();
  requestAnimationFrame(go); // once more when heights are known
};

// -- the log: the newest turns in `tail`, earlier ones in chunks that the browser lays out only when they are near ---
const CHUNK = 30;
const tail = el("div", { class: "chunk tail" });
log.append(tail);

function append(...turns) {
  if (tail.childElementCount > 2 * CHUNK) tail.before(el("div", { class: "chunk" }, [...tail.children].slice(0, CHUNK)));
  tail.append(...turns);
}

function removeFrom(turn) {
  for (let chunk = turn.parentElement.nextElementSibling; chunk; chunk = chunk.nextElementSibling) chunk.replaceChildren();
  while (turn.nextElementSibling) turn.nextElementSibling.remove();
  turn.remove();
}

// -- asking ----------------------------------------------------------------------------------------------------------
function ask({ text, replaces = "", from = null }) {
  if (running || (!text && !replaces)) return;
  text = text.toWellFormed?.() ?? text; // half a character cannot be sent
  hideNotice();
  running = { key: String(++count), text, replaces, from, writing: new Writing(), question: null };
  setRunning(true);
  tell("chat", { op: "ask", key: running.key, text, replaces, model: $("model").value, documents: [...files.flatMap((f) => f.documents), ...(only ? [only.id] : [])] });
}

function setRunning(on) {
  $("send").hidden = on;
  $("stop").hidden = !on;
  main.classList.toggle("running", on);
}

function accepted(message) {
  if (!running.from) sessionStorage.removeItem(draftKey());
  if (running.from) removeFrom(running.from);
  else if (area.value.trim() === running.text) {
    area.value = "";
    fit();
  }
  const fresh = !conversation;
  conversation = message.conversation;
  if (fresh) {
    history.replaceState(null, "", `/chat/${conversation.id}`);
    $("title").textContent = conversation.title;
    $("title").hidden = false;
    $("welcome").hidden = true;
    main.classList.remove("fresh");
    showExport();
  }
  begun(conversation);
  running.question = message.question;
  append(questionElement(message.question), running.writing.element);
  toEnd();
  announce(say("looking"));
}

function finished(message) {
  const follow = atEnd();
  running.writing.element.replaceWith(answerElement(message.message, running.question));
  const { state, text, unsupported } = message.message;
  announce([say(state === "abstained" ? "abstained" : "finished"), text, unsupported ? say("legend", { count: unsupported }) : ""].join(" "));
  running = null;
  setRunning(false);
  if (follow) toEnd();
}

function failed(message) {
  const ended = running;
  running = null;
  setRunning(false);
  if (!ended) return;
  const repeat = () => ask({ text: ended.question ? "" : ended.text, replaces: ended.question?.id ?? ended.replaces, from: ended.question ? turnOf(ended.question.id) : ended.from });
  if (ended.question) {
    ended.writing.fail(message, repeat);
    if (atEnd()) toEnd();
  } else {
    showNotice(failureElement(message, null), message.kind === "login" ? null : retryButton(message.retry_seconds, repeat));
  }
}

listen((message) => {
  if (message.op === "older") return prepend(message);
  if (message.op === "reload") return location.reload();
  if (message.op === "failed" && message.about === "older") return (older.disabled = false);
  if (!running || message.about === "read" || message.about === "rate") return undefined;
  if (message.op === "delta") {
    const follow = atEnd();
    running.writing.add(message.text);
    if (follow) toEnd();
    return undefined;
  }
  if (message.key !== running.key) return undefined;
  if (message.op === "accepted") accepted(message);
  else if (message.op === "found") { running.writing.found(message); toEnd(); }
  else if (message.op === "finished") finished(message);
  else if (message.op === "failed") failed(message);
  return undefined;
});

function stop() {
  if (running) tell("chat", { op: "stop" });
}

// -- notices ---------------------------------------------------------------------------------------------------------
function showNotice(...content) {
  notice.replaceChildren(...content.filter(Boolean).map((part) => (typeof part === "string" ? el("span", {}, icon("warning"), " ", part) : part)));
  notice.hidden = false;
}

function hideNotice() {
  notice.hidden = true;
}

// -- composer --------------------------------------------------------------------------------------------------------
function fit() {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, window.innerHeight * 0.4)}px`;
}

area.addEventListener("input", () => {
  fit();
  sessionStorage.setItem(draftKey(), area.value);
});
area.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  } else if (event.key === "ArrowUp" && !area.value) {
    const mine = log.querySelectorAll(".turn.question .turn-tools button");
    if (mine.length) { event.preventDefault(); mine[mine.length - 1].click(); }
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ text: area.value.trim() });
});
$("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    const menu = document.querySelector("details.menu[open]");
    if (menu) menu.open = false;
    else if (running) stop();
    else panel.close();
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    area.focus();
  }
});

// -- files -----------------------------------------------------------------------------------------------------------
function drawChips() {
  const made = files.map((file) => el("span", { class: `chip file ${file.state}` }, icon("file"), say(`file_${file.state}`, file),
    iconButton("close", say("file_remove", file), () => { files = files.filter((one) => one !== file); drawChips(); })));
  if (only) made.push(el("span", { class: "chip file ready" }, icon("file"), say("only", only), iconButton("close", say("only_remove"), () => { only = null; drawChips(); })));
  chips.replaceChildren(...made);
  chips.hidden = !made.length;
}

async function upload(file) {
  const entry = { name: file.name, state: "reading", documents: [], reason: "" };
  files.push(entry);
  drawChips();
  if (file.size > data.max_upload_bytes) Object.assign(entry, { state: "too_large" });
  else {
    const form = new FormData();
    form.append("file", file);
    try {
      const answer = await fetch("/api/samovar/documents", { method: "POST", body: form });
      const body = await answer.json();
      const kept = body.uploads?.[0];
      if (!answer.ok) Object.assign(entry, { state: "refused", reason: body.error?.message ?? answer.status });
      else if (kept?.status === "ready") Object.assign(entry, { state: "ready", documents: kept.document_ids });
      else Object.assign(entry, { state: "refused", reason: kept?.reason ?? "?" });
    } catch (error) {
      Object.assign(entry, { state: "refused", reason: String(error) });
    }
  }
  announce(say(`file_${entry.state}`, entry));
  drawChips();
}

$("file").addEventListener("change", (event) => {
  for (const file of event.target.files) upload(file);
  event.target.value = "";
  area.focus();
});
let depth = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  window.addEventListener(kind, (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (kind === "dragenter") depth += 1;
    if (kind === "dragleave") depth -= 1;
    if (kind === "drop") {
      depth = 0;
      for (const file of event.dataTransfer.files) upload(file);
    }
    $("drop").hidden = depth <= 0;
  });
}

// -- messages that are there -----------------------------------------------------------------------------------------
function elementsOf(messages, known = null) {
  let question = known;
  const made = [];
  messages.forEach((message, index) => {
    if (message.role === "user") {
      if (question && index && messages[index - 1].role === "user") made.push(unanswered(question, (one) => ask({ text: "", replaces: one.id, from: turnOf(one.id) })));
      question = message;
      made.push(questionElement(message));
    } else made.push(answerElement(message, question));
  });
  return made;
}

function prepend(message) {
  const first = log.querySelector(".turn");
  const before = first?.getBoundingClientRect().top ?? 0;
  older.after(el("div", { class: "chunk" }, elementsOf(message.messages)));
  older.hidden = !message.more;
  older.disabled = false;
  if (first) window.scrollBy({ top: first.getBoundingClientRect().top - before, behavior: "instant" });
}

function loadOlder() {
  const first = log.querySelector(".turn[data-position]");
  if (older.hidden || older.disabled || !first) return;
  older.disabled = true;
  tell("chat", { op: "older", before: Number(first.dataset.position) });
}

older.addEventListener("click", loadOlder);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && window.scrollY < 400) loadOlder();
}, { rootMargin: "300px 0px 0px 0px" }).observe(older);
window.addEventListener("scroll", () => { $("to-end").hidden = document.documentElement.scrollHeight - window.innerHeight - window.scrollY < 600; }, { passive: true });
$("to-end").addEventListener("click", () => { toEnd(); area.focus({ preventScroll: true }); });

function showExport() {
  const menu = $("export");
  menu.hidden = false;
  for (const link of menu.querySelectorAll("a")) link.href = `/api/samovar/conversations/${conversation.id}/export.${link.dataset.format}`;
}

// -- begin -----------------------------------------------------------------------------------------------------------
if (conversation) {
  showExport();
  append(...elementsOf(data.messages));
  older.hidden = !data.more;
  const last = data.messages[data.messages.length - 1];
  if (last?.role === "user") {
    if (data.busy) {
      const writing = new Writing();
      writing.state.lastChild.textContent = say("written_elsewhere");
      append(writing.element);
      tell("chat", { op: "wait" });
    } else append(unanswered(last, (one) => ask({ text: "", replaces: one.id, from: turnOf(one.id) })));
  }
  toEnd();
} else {
  $("examples").append(...data.examples.map((text) => el("li", {}, el("button", { type: "button", class: "example", onclick: () => ask({ text }) }, text))));
}
area.value = data.composer || sessionStorage.getItem(draftKey()) || "";
fit();
drawChips();
if (!matchMedia("(max-width: 899px)").matches) area.focus({ preventScroll: true });
main.dataset.ready = "yes";
