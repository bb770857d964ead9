// Ways in: a file dropped anywhere, pasted, or chosen.
import { byId } from "../dom.js";
import { toast } from "../toast.js";

/** Call `show(file)` for each picture that comes. */
export function startIntake(show) {
  const frame = byId("frame");
  const pick = byId("pick");
  byId("choose").addEventListener("click", () => pick.click());
  for (const input of [pick, byId("snap")]) {
    input.addEventListener("change", () => {
      if (input.files.length) show(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const [file] = pictures(event.clipboardData);
    if (file) show(file);
  });
  let depth = 0; // a drag enters an element before it leaves the one around it
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    frame.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) frame.classList.remove("over");
  });
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    frame.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (!files.length) return;
    if (files.length > 1) toast(`One picture at a time: of ${files.length}, the first one is shown.`);
    show(files[0]);
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

function pictures(data) {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}
