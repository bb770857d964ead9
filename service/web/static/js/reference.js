/* global SwaggerUIBundle */
// API reference in the theme of the other pages.
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

function applyTheme() {
  root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
}

system.addEventListener("change", applyTheme);
applyTheme();
SwaggerUIBundle({ url: "openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0 });
