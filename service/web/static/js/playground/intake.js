// Image input: drag and drop, paste, file picker.
import { byId } from "../dom.js";
import { toast } from "../toast.js";

/** Call `show(file)` for each image. */
export function startIntake(show) {
  const frame = byId("frame");
  const pick = byId("pick");
  byId("choose").addEventListener("click", () => pick.click());
  for (const input of [pick, byId("snap")]) {
    input.addEventListener("change", () => {
      if (input.files.length) show(input.files[0]);
      input.value = ""; // allow choosing the same file again
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
    if (files.length > 1) toast(`Only the first of ${files.length} images is shown.`);
    show(files[0]);
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

function pictures(data) {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}
