// The data of the page, its words, and making elements. Text is always put in as text; only `html` sets HTML, which the server has made safe.
export const data = JSON.parse(document.getElementById("chat-data").textContent);

const plural = new Intl.PluralRules(data.lang);
const FORMS = { 1: {}, 2: { one: 0 }, 3: { one: 0, few: 1, many: 2 } };

export function say(key, values = {}) {
  let text = data.words[`chat.${key}`];
  if (text === undefined) return key;
  if (Array.isArray(text)) text = text[FORMS[text.length][plural.select(values.count ?? 0)] ?? text.length - 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "html") element.innerHTML = value;
    else if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const holder = document.createElement("template");
  holder.innerHTML = data.icons[name];
  return holder.content.firstElementChild;
}

export const iconButton = (name, label, action, extra = {}) =>
  el("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick: action, ...extra }, icon(name));

const spoken = document.getElementById("live");
export function announce(text) {
  spoken.textContent = "";
  requestAnimationFrame(() => { spoken.textContent = text; });
}

export const marked = (pieces) => pieces.map(([text, hit]) => (hit ? el("mark", {}, text) : text));

export const documentUrl = (source) =>
  `/document/${encodeURIComponent(source.document_id)}?start=${source.start}&end=${source.end}`;

export const narrow = () => matchMedia("(max-width: 899px)").matches;
