// Shell of every page: theme and session.
import { byId } from "./dom.js";
import { startSession } from "./session.js";

const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

function nameTheme() {
  byId("theme-switch").textContent = isDark() ? "Light" : "Dark";
  byId("theme-switch").setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
}

byId("theme-switch").addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("duet.theme", chosen);
  } catch {
    // storage is disabled: the choice applies to this page only
  }
  nameTheme();
  document.dispatchEvent(new Event("themechange"));
});
system.addEventListener("change", () => {
  nameTheme();
  document.dispatchEvent(new Event("themechange"));
});

nameTheme();
startSession();
