// Before anything is painted: the theme that was chosen here, if any; otherwise the system's holds.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("duet.theme");
  } catch {
    return; // storage is switched off: the system's theme holds
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
