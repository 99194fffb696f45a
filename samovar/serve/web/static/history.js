// The list of conversations in the side panel: search, open, rename, delete, import.
import { announce, data, el, iconButton, say } from "./parts.js";

const API = "/api/samovar/conversations";
const list = document.getElementById("history");
const field = document.getElementById("history-search");
let shown = data.conversations;
let more = data.more_conversations ? shown[shown.length - 1].id : null;
let current = data.conversation?.id ?? "";
let asked = 0;

export function begun(conversation) {
  current = conversation.id;
  shown = [conversation, ...shown.filter((one) => one.id !== conversation.id)];
  draw();
}

const DAY = 86_400_000;
function ageOf(moment) {
  const today = new Date().setHours(0, 0, 0, 0);
  const then = new Date(moment).getTime();
  return then >= today ? "today" : then >= today - DAY ? "yesterday" : then >= today - 7 * DAY ? "week" : "before";
}

function draw() {
  const rows = [];
  let age = "";
  for (const conversation of shown) {
    const now = ageOf(conversation.updated_at);
    if (now !== age) rows.push(el("h3", {}, say((age = now))));
    rows.push(rowOf(conversation));
  }
  if (!shown.length) rows.push(el("p", { class: "small muted empty" }, say(field.value.trim() ? "nothing_found" : "no_history")));
  if (more) rows.push(el("button", { type: "button", class: "button more-history", onclick: () => load(more) }, say("more_history")));
  list.replaceChildren(...rows);
}

function rowOf(conversation) {
  const { id, title } = conversation;
  return el("div", { class: "history-row", dataset: { id } },
    el("a", { href: `/chat/${id}`, title, "aria-current": id === current ? "page" : undefined }, title),
    iconButton("edit", say("rename", { title }), (event) => rename(event.currentTarget.parentElement, conversation)),
    iconButton("trash", say("delete", { title }), () => remove(conversation)));
}

async function load(before = "") {
  const turn = ++asked;
  const answer = await fetch(`${API}?query=${encodeURIComponent(field.value.trim().slice(0, 200))}&before=${before}&limit=60`);
  if (!answer.ok || turn !== asked) return;
  const page = await answer.json();
  shown = before ? [...shown, ...page.conversations] : page.conversations;
  more = page.next;
  draw();
}

let pause = 0;
field.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => load(), 180);
});

function rename(row, conversation) {
  const input = el("input", { class: "field", maxlength: 200, "aria-label": say("rename_label") });
  input.value = conversation.title;
  let over = false;
  const finish = async (keep) => {
    if (over) return;
    over = true;
    const title = input.value.trim();
    if (keep && title && title !== conversation.title) {
      const answer = await fetch(`${API}/${conversation.id}`, { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ title }) });
      if (answer.ok) {
        conversation.title = title;
        if (conversation.id === current) document.getElementById("title").textContent = title;
      }
    }
    draw();
    list.querySelector(`[data-id="${conversation.id}"] a`)?.focus();
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") finish(true);
    if (event.key === "Escape") { event.stopPropagation(); finish(false); }
  });
  input.addEventListener("blur", () => finish(true));
  row.replaceChildren(input);
  input.focus();
  input.select();
}

function remove(conversation) {
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "delete-ask" }, el("p", { id: "delete-ask" }, say("delete_ask", { title: conversation.title })),
    el("form", { method: "dialog", class: "row end" }, el("button", { class: "button", value: "" }, say("keep")), el("button", { class: "button danger", value: "yes" }, say("delete_yes"))));
  dialog.addEventListener("close", async () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    const answer = await fetch(`${API}/${conversation.id}`, { method: "DELETE" });
    if (!answer.ok && answer.status !== 404) return;
    if (conversation.id === current) { location.href = "/"; return; }
    shown = shown.filter((one) => one.id !== conversation.id);
    draw();
    field.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

document.getElementById("import").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  const answer = await fetch(`${API}/import`, { method: "POST", headers: { "content-type": "application/json" }, body: await file.text() });
  if (answer.ok) location.href = `/chat/${(await answer.json()).id}`;
  else {
    const text = say("import_failed");
    announce(text);
    list.prepend(el("p", { class: "small import-failed", role: "alert" }, text));
  }
});

draw();
