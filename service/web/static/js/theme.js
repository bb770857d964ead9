// Applies the stored theme before the first paint; without one, the system's theme applies.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("duet.theme");
  } catch {
    return; // storage is disabled: use the system's theme
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
