// What every page does in the browser: theme, language, the side panel on a phone, the notice about a lost connection. Knows no page.
const boot = document.getElementById("boot");
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

const remember = (name, value) => {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
};

function applyTheme(theme) {
  boot.dataset.theme = theme;
  const isDark = theme === "dark" || (theme === "auto" && dark.matches);
  root.dataset.theme = isDark ? "dark" : "light";
  document.body.classList.toggle("body--dark", isDark);
  document.body.classList.toggle("body--light", !isDark);
  globalThis.Quasar?.Dark.set(theme === "auto" ? "auto" : isDark);
}

applyTheme(boot.dataset.theme);
dark.addEventListener("change", () => applyTheme(boot.dataset.theme));

const side = document.getElementById("side");
const opener = document.getElementById("open-side");
const shade = document.getElementById("shade");

function openSide(open) {
  side?.classList.toggle("open", open);
  if (shade) shade.hidden = !open;
  opener?.setAttribute("aria-expanded", String(open));
  if (open) side.querySelector("a, button")?.focus();
  else if (side?.contains(document.activeElement)) opener?.focus();
}

opener?.addEventListener("click", () => openSide(true));
document.getElementById("close-side")?.addEventListener("click", () => openSide(false));
shade?.addEventListener("click", () => openSide(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && side?.classList.contains("open")) {
    openSide(false);
    event.stopPropagation();
  }
}, true);

side?.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-theme], button[data-lang]");
  if (!button) return;
  if (button.dataset.lang) {
    remember("samovar_lang", button.dataset.lang);
    location.reload();
    return;
  }
  remember("samovar_theme", button.dataset.theme);
  applyTheme(button.dataset.theme);
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
});

document.getElementById("log-out")?.addEventListener("click", async () => {
  await fetch("/api/samovar/logout", { method: "POST" });
  location.href = "/login";
});

document.querySelector(".skip")?.addEventListener("click", (event) => {
  const main = document.querySelector("main");
  if (!main) return;
  event.preventDefault();
  main.tabIndex = -1;
  main.focus();
});

// NiceGUI makes the socket when it has mounted; tell about a connection that stays away longer than a moment.
let away = 0;
function watch(socket) {
  const lost = document.getElementById("lost");
  socket.on("disconnect", () => { root.dataset.live = "no"; away = setTimeout(() => { lost.hidden = false; }, 700); });
  socket.on("connect", () => { clearTimeout(away); lost.hidden = true; root.dataset.live = "yes"; });
  if (socket.connected) root.dataset.live = "yes";
  socket.on("samovar_left", () => { location.href = `/login?next=${encodeURIComponent(location.pathname)}`; });
  // NiceGUI asks for a reload with a script when too much was missed; our pages run no script from a string
  socket.on("run_javascript", (message) => { if (message.code.includes("location.reload")) location.reload(); });
  document.dispatchEvent(new CustomEvent("samovar:socket", { detail: socket }));
}
(function wait() {
  if (globalThis.socket) watch(globalThis.socket);
  else if (document.getElementById("app")) setTimeout(wait, 15);
})();
