// Sharing: a link with the settings, and the request as curl and Python code.
import { byId } from "../dom.js";
import { service } from "../root.js";
import { toast } from "../toast.js";
import { reference } from "./families.js";
import { cropText, route } from "./question.js";
import { queryOf } from "./settings.js";

/** Wire the buttons; returns {refresh()}, which rewrites the commands. */
export function startSharing(state) {
  const texts = { curl: "", python: "" };
  byId("copy-link").addEventListener("click", () => copy(`${location.origin}${location.pathname}${queryOf(state.settings)}`, "Link", linkNote(state)));
  byId("copy-curl").addEventListener("click", () => copy(texts.curl, "curl command"));
  byId("copy-python").addEventListener("click", () => copy(texts.python, "Python"));
  return {
    refresh() {
      Object.assign(texts, { curl: curl(state), python: python(state) });
      byId("snippet-curl").textContent = texts.curl;
      byId("snippet-python").textContent = texts.python;
      byId("link-note").textContent = linkNote(state);
    },
  };
}

/** Shell commands that send the page's requests. */
function curl(state) {
  const { settings, families, picture } = state;
  const name = fileName(picture);
  const lines = picture?.sample ? [`curl -s ${shell(`${service}/samples/${picture.sample.index}`)} -o ${shell(name)}`] : [];
  const post = (path, query, more = "") => `curl -s -F ${shell(`file=@${part(name)}`)} ${shell(`${service}${path}?${text(query)}`)}${more}`;
  const [path, named] = route(families.map(reference));
  lines.push(post(path, { ...named, crop: cropText(state.crop) }));
  for (const family of explained(state)) {
    const query = { model: family.name, version: family.version, method: settings.method, target: target(state, family), crop: cropText(state.crop) };
    lines.push(post("/saliency", query, ` -o ${shell(`${family.name}-${settings.method}.png`)}`));
  }
  return `${lines.join("\n")}\n`;
}

/** A Python program that sends the page's requests. */
function python(state) {
  const { settings, families, picture } = state;
  const sample = picture?.sample ?? null;
  const crop = state.crop === null ? [] : [`crop=(${cropText(state.crop).replaceAll(",", ", ")})`];
  const call = (...given) => ["picture", ...given, ...crop].join(", ");
  const lines = [
    ...(sample ? ["import httpx", ""] : []),
    "from duet import Client", "",
    sample ? `picture = httpx.get(${quote(`${service}/samples/${sample.index}`)}).content` : `picture = ${quote(fileName(picture))}`,
    `with Client(${quote(service)}) as duet:`,
    `    answer = ${families.length > 1 ? `duet.compare(${call(`models=[${families.map((family) => quote(reference(family))).join(", ")}]`)})` : `duet.predict(${call(...named(families[0]))})`}`,
    "    for each in answer.predictions:",
    '        print(each.model, each.label, f"{each.probability:.1%}", "prediction set:", ", ".join(each.prediction_set))',
  ];
  for (const family of explained(state)) {
    const label = target(state, family);
    const given = [`method=${quote(settings.method)}`, ...named(family), ...(label ? [`target=${quote(label)}`] : [])];
    lines.push(`    with open(${quote(`${family.name}-${settings.method}.png`)}, "wb") as file:`, `        file.write(duet.saliency_picture(${call(...given)}))`);
  }
  return `${lines.join("\n")}\n`;
}

function named(family) {
  return [`model=${quote(family.name)}`, ...(family.version === null ? [] : [`version=${family.version}`])];
}

function explained({ settings, families }) {
  return settings.method ? families.filter((family) => family.methods.includes(settings.method)) : [];
}

function target({ settings }, family) {
  return family.classes.includes(settings.target) ? settings.target : null;
}

function fileName(picture) {
  return picture === null ? "image.png" : picture.file.name;
}

function text(query) {
  return new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null)).toString().replaceAll("%2C", ",").replaceAll("%40", "@");
}

/** One quoted word of a POSIX shell. */
function shell(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A file name in curl's -F, quoted because commas and semicolons are special there. */
function part(name) {
  return /[,;"\\]/.test(name) ? `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : name;
}

/** A Python string literal; JSON escapes are valid Python. */
function quote(value) {
  return JSON.stringify(value);
}

/** Whether the link opens with the image. */
function linkNote({ picture }) {
  if (picture?.sample) return "The link opens this example with the same settings.";
  return "The link has the settings, but not the image: images are not stored. Choose the image again after opening the link.";
}

async function copy(content, what, detail = null) {
  try {
    await navigator.clipboard.writeText(content);
    toast(`${what} copied.`, { kind: "good", detail });
  } catch {
    byId("snippets").open = true; // the browser has no clipboard on plain HTTP from another machine
    toast("The browser does not allow copying here; copy the text below.", { kind: "bad" });
  }
}
