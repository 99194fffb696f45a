// What the pages other than the chat do in the browser: forms and buttons that call the API (data-api), the question before what cannot be
// undone, secrets shown once, uploads with progress, the way to a highlighted passage. Everything is delegated: content comes after this script.
const words = {};
const say = (key, values = {}) => String(words[`browser.${key}`] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

function whenShown(selector, act) {
  const found = document.querySelector(selector);
  if (found) return act(found);
  const watch = new MutationObserver(() => {
    const element = document.querySelector(selector);
    if (element) {
      watch.disconnect();
      act(element);
    }
  });
  watch.observe(document.documentElement, { childList: true, subtree: true });
}

const status = (text) => {
  const line = document.getElementById("page-status");
  if (line) line.textContent = text;
};

// -- calling the API --------------------------------------------------------------------------------------------------
async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error(say("unreachable"));
  }
  const text = await response.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch { /* not JSON: the status says enough */ }
  if (response.ok) return data;
  if (response.status === 401 && path !== "/api/samovar/login" && !location.pathname.startsWith("/login")) {
    location.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  }
  const wait = response.headers.get("Retry-After");
  if (response.status === 429 && wait) throw new Error(say("wait", { seconds: wait }));
  const failure = new Error(data?.error?.message ?? say(response.status === 413 ? "failed_413" : "failed", { status: response.status }));
  failure.status = response.status;
  throw failure;
}

function bodyOf(form) {
  const body = {};
  for (const element of form.elements) {
    if (!element.name || element.disabled || (element.type === "radio" && !element.checked)) continue;
    if (element.type === "checkbox" && element.dataset.list !== undefined) {
      body[element.name] ??= [];
      if (element.checked) body[element.name].push(element.value);
    } else if (element.type === "checkbox") {
      body[element.name] = element.checked;
    } else if (element.dataset.list !== undefined) {
      body[element.name] = element.value.split(/\s+/).filter(Boolean);
    } else if (element.dataset.days !== undefined) {
      body[element.name] = element.value ? new Date(Date.now() + 864e5 * Number(element.value)).toISOString().slice(0, 19) + "Z" : "";
    } else {
      body[element.name] = element.value;
    }
  }
  return body;
}

const dig = (data, path) => path.split(".").reduce((value, name) => value?.[name], data);

function reveal(near, data) {
  const box = near.closest("section")?.querySelector(".reveal");
  if (!box) return location.reload();
  const field = near.dataset.reveal;
  const secret = dig(data, field) ?? "";
  box.querySelector("output").textContent = near.dataset.link === undefined ? secret : location.origin + secret;
  box.hidden = false;
  box.scrollIntoView({ block: "center" });
  box.querySelector("output").focus();
}

function finish(element, data) {
  const done = element.dataset.done ?? "reload";
  if (done === "reload") location.reload();
  else if (done.startsWith("go:")) location.href = done.slice(3);
  else if (done === "reveal") reveal(element, data);
  else if (done === "added") added(element, data);
  else if (done === "saved") {
    element.dataset.was = element.value;
    element.classList.add("saved");
    setTimeout(() => element.classList.remove("saved"), 1500);
    status(say("saved"));
  } else if (done === "message") {
    const line = element.querySelector(".done-message");
    if (line) line.hidden = false;
    element.reset?.();
  }
}

function fail(element, error) {
  error.message = element.getAttribute(`data-said-${error.status}`) ?? error.message; // in the reader's language, where there is a word for it
  if (element.dataset.was !== undefined) element.value = element.dataset.was;
  const line = element.querySelector?.(".alert") ?? null;
  if (line) {
    line.textContent = error.message;
    line.hidden = false;
  } else {
    status(error.message);
    ask(error.message, true);
  }
}

async function act(element, body) {
  const [method, path] = element.dataset.api.split(" ");
  const buttons = element.matches("form") ? [...element.querySelectorAll("button")] : [element];
  element.querySelector?.(".alert")?.setAttribute("hidden", "");
  for (const button of buttons) button.disabled = true;
  try {
    finish(element, await call(method, path, body));
  } catch (error) {
    fail(element, error);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

// -- the question before what cannot be undone ------------------------------------------------------------------------
function ask(text, only = false) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("#confirm-text").textContent = text;
  dialog.querySelector("[value=no]").hidden = only;
  dialog.querySelector("[value=yes]").classList.toggle("danger", !only);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

document.addEventListener("click", async (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) return copy(copier);
  if (event.target.closest("[data-reload]")) return location.reload();
  const button = event.target.closest("button[data-api]");
  if (!button) return;
  if (button.dataset.confirm && !(await ask(button.dataset.confirm))) return;
  await act(button, button.dataset.body ? JSON.parse(button.dataset.body) : undefined);
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  const body = bodyOf(form);
  if (form.id === "add-address" && sharedName()) body.source = sharedName();
  const wrong = mismatch(form);
  if (wrong) return fail(form, new Error(wrong));
  if (form.dataset.confirm && !(await ask(form.dataset.confirm))) return;
  for (const name of (form.dataset.omit ?? "").split(" ")) delete body[name];
  await act(form, body);
});

function mismatch(form) {
  const again = form.elements.again;
  return again && again.value !== form.elements[again.dataset.same].value ? say("passwords_differ") : "";
}

async function copy(button) {
  const output = button.closest(".reveal").querySelector("output");
  try {
    await navigator.clipboard.writeText(output.textContent);
  } catch { // no clipboard without https: select it, Ctrl-C does the rest
    getSelection().selectAllChildren(output);
    document.execCommand("copy");
  }
  button.textContent = button.dataset.copy;
  status(button.dataset.copy);
}

document.addEventListener("change", (event) => {
  const select = event.target.closest("select[data-api]");
  if (select) act(select, { [select.name]: select.value });
  if (event.target.id === "pick-files" || event.target.id === "pick-folder") {
    uploads.take([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    event.target.value = "";
  }
  if (event.target.name === "target" && event.target.value === "shared") document.getElementById("shared-name")?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-slash]");
  if (field) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

document.addEventListener("input", (event) => {
  if (event.target.id === "shared-name" && event.target.value) document.querySelector("[name=target][value=shared]").checked = true;
});

// -- adding documents -------------------------------------------------------------------------------------------------
const sharedName = () =>
  document.querySelector("[name=target][value=shared]")?.checked ? document.getElementById("shared-name").value.trim() : "";

const lasting = (seconds) => (seconds < 90 ? say("seconds", { count: Math.ceil(seconds) }) : say("minutes", { count: Math.ceil(seconds / 60) }));

const size = (bytes) => {
  const units = say("units").split(" ");
  let power = 0;
  while (bytes >= 1024 && power < units.length - 1) {
    bytes /= 1024;
    power += 1;
  }
  return `${bytes.toLocaleString(document.documentElement.lang || undefined, { maximumFractionDigits: power && bytes < 100 ? 1 : 0 })} ${units[power]}`;
};

function reasonWords(reason) {
  const known = JSON.parse(document.getElementById("reason-words")?.dataset.words ?? "{}");
  return known[`reason.${reason}`] ?? reason;
}

function added(form, data) {
  const line = form.querySelector(".done-message");
  data = data?.report;
  const reasons = Object.keys(data?.reasons ?? {}).map(reasonWords).join("; ");
  line.textContent = data?.documents || data?.unchanged ? say(data.documents ? "address_added" : "address_unchanged") : say("address_refused", { reason: reasons || "?" });
  line.classList.toggle("bad", !(data?.documents || data?.unchanged));
  line.hidden = false;
  form.reset();
  if (data?.documents) document.getElementById("uploads").hidden = document.getElementById("upload-done").hidden = false;
}

class Uploads {
  constructor() {
    this.queue = [];
    this.all = [];
    this.running = false;
  }

  take(files) {
    const kept = files.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".")));
    if (!kept.length) return;
    document.getElementById("uploads").hidden = false;
    document.getElementById("upload-done").hidden = true;
    const list = document.getElementById("upload-files");
    const limit = Number(document.getElementById("drop").dataset.limit);
    for (const { file, name } of kept) {
      const row = document.createElement("li");
      row.innerHTML = '<span class="name"></span><span class="state"></span><progress max="1" value="0"></progress>';
      row.querySelector(".name").textContent = name;
      row.querySelector("progress").setAttribute("aria-label", name);
      list.append(row);
      const item = { file, name, row, sent: 0, done: false };
      this.all.push(item);
      if (file.size > limit) this.end(item, "refused", say("refused", { reason: say("too_large", { limit: size(limit) }) }));
      else if (file.size === 0) this.end(item, "refused", say("refused", { reason: reasonWords("empty") }));
      else this.queue.push(item);
    }
    this.run();
  }

  async run() {
    if (this.running) return;
    this.running = true;
    this.began = performance.now();
    this.sentBefore = this.total("sent");
    addEventListener("beforeunload", hold);
    while (this.queue.length) await this.send(this.queue.shift());
    removeEventListener("beforeunload", hold);
    this.running = false;
    this.show();
    document.getElementById("upload-done").hidden = !this.all.some((item) => item.row.classList.contains("ready"));
    status(document.getElementById("upload-numbers").textContent);
  }

  send(item) {
    this.state(item, say("sending"));
    const form = new FormData();
    const source = sharedName();
    if (source) form.append("source", source);
    form.append("file", item.file, item.file.name);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.upload.addEventListener("progress", (event) => {
        item.sent = Math.min(event.loaded, item.file.size);
        item.row.querySelector("progress").value = item.file.size ? item.sent / item.file.size : 1;
        this.show();
      });
      request.upload.addEventListener("load", () => {
        item.sent = item.file.size;
        item.row.querySelector("progress").removeAttribute("value"); // how long reading takes nobody knows
        const since = performance.now();
        const tell = () => this.state(item, say("reading", { seconds: Math.round((performance.now() - since) / 1000) }));
        tell();
        item.clock = setInterval(tell, 1000);
        this.show();
      });
      request.addEventListener("load", () => {
        this.finish(item, request);
        resolve();
      });
      request.addEventListener("error", () => {
        this.end(item, "refused", say("unreachable"));
        resolve();
      });
      request.open("POST", "/api/samovar/documents");
      request.send(form);
    });
  }

  finish(item, request) {
    let data = {};
    try {
      data = JSON.parse(request.responseText);
    } catch { /* the status decides */ }
    if (request.status >= 400 || request.status === 0) return this.end(item, "refused", data?.error?.message ?? say("failed", { status: request.status }));
    data = data.uploads?.[0] ?? data.report ?? {};
    const dropped = data.status === "refused" || (data.status === undefined && !data.documents && !data.unchanged);
    const reason = data.reason || Object.keys(data.reasons ?? {})[0] || "nothing_kept";
    if (dropped) return this.end(item, "refused", say("refused", { reason: reasonWords(reason) }));
    return this.end(item, "ready", say(data.unchanged ? "unchanged" : "ready"), data.document_ids?.[0]);
  }

  end(item, kind, text, documentId) {
    clearInterval(item.clock);
    item.done = true;
    item.sent = item.file.size;
    item.row.classList.add(kind);
    item.row.querySelector("progress").remove();
    this.state(item, text);
    if (documentId) {
      const link = document.createElement("a");
      link.href = `/document/${encodeURIComponent(documentId)}`;
      link.textContent = item.name;
      item.row.querySelector(".name").replaceChildren(link);
    }
    this.show();
  }

  state(item, text) {
    item.row.querySelector(".state").textContent = text;
  }

  total(what) {
    return this.all.reduce((sum, item) => sum + (what === "sent" ? item.sent : item.file.size), 0);
  }

  show() {
    const done = this.all.filter((item) => item.done).length;
    const [sent, bytes] = [this.total("sent"), this.total("size")];
    document.getElementById("upload-total").value = this.all.length ? (0.5 * done) / this.all.length + 0.5 * (bytes ? sent / bytes : 1) : 0;
    const seconds = (performance.now() - this.began) / 1000;
    const rate = seconds > 0.3 ? (sent - this.sentBefore) / seconds : 0;
    const numbers = [say("files", { done, total: this.all.length }), say("bytes", { done: size(sent), total: size(bytes) })];
    if (rate > 0 && this.running && sent < bytes) numbers.push(say("rate", { rate: size(rate), left: lasting((bytes - sent) / rate) }));
    document.getElementById("upload-numbers").textContent = numbers.join(" · ");
  }
}

const uploads = new Uploads();
const hold = (event) => event.preventDefault();

async function entriesOf(entry, into, path = "") {
  if (entry.isFile) {
    into.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name: path + entry.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a folder is read in batches of about a hundred
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const child of batch) await entriesOf(child, into, `${path}${entry.name}/`);
  }
}

const dropZone = (event) => event.target.closest?.(".library-page") && document.getElementById("drop");
document.addEventListener("dragover", (event) => {
  const zone = dropZone(event);
  if (!zone) return;
  event.preventDefault();
  zone.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.getElementById("drop")?.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  const zone = dropZone(event);
  if (!zone) return;
  event.preventDefault();
  zone.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = [...event.dataTransfer.files].map((file) => ({ file, name: file.name }));
  const files = [];
  for (const entry of entries) await entriesOf(entry, files);
  uploads.take(entries.length ? files : loose);
});

// -- when the content is there ----------------------------------------------------------------------------------------
whenShown("#page-words", (element) => Object.assign(words, JSON.parse(element.dataset.words)));
whenShown(".sheet", () => {
  const quote = document.getElementById("quote");
  const target = quote ?? (location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null);
  if (target) {
    const { top, bottom } = target.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight * 0.9) target.scrollIntoView({ block: "center" }); // else the head of the page stays in sight
    target.focus?.({ preventScroll: true });
  } else {
    document.querySelector(".sheet [autofocus]:not(dialog *)")?.focus();
  }
});
