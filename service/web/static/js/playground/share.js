// A link with the settings, and the same question as commands that run when they are pasted.
import { byId } from "../dom.js";
import { toast } from "../toast.js";
import { reference } from "./families.js";
import { cropText } from "./question.js";
import { queryOf } from "./settings.js";

/** Wire the buttons; {refresh()} writes the commands anew. */
export function startSharing(state) {
  const texts = { curl: "", python: "" };
  byId("copy-link").addEventListener("click", () => copy(`${location.origin}${location.pathname}${queryOf(state.settings)}`, "Link"));
  byId("copy-curl").addEventListener("click", () => copy(texts.curl, "curl command"));
  byId("copy-python").addEventListener("click", () => copy(texts.python, "Python"));
  return {
    refresh() {
      Object.assign(texts, { curl: curl(state), python: python(state) });
      byId("snippet-curl").textContent = texts.curl;
      byId("snippet-python").textContent = texts.python;
    },
  };
}

/** Shell commands that ask what the page has asked. */
function curl(state) {
  const { settings, families, picture } = state;
  const name = fileName(picture);
  const lines = picture?.sample ? [`curl -s ${shell(`${location.origin}/samples/${picture.sample.index}`)} -o ${shell(name)}`] : [];
  const post = (path, query, more = "") => `curl -s -F ${shell(`file=@${part(name)}`)} ${shell(`${location.origin}${path}?${text(query)}`)}${more}`;
  lines.push(post("/compare", { models: families.map(reference).join(","), crop: cropText(state.crop) }));
  for (const family of explained(state)) {
    const query = { model: family.name, version: family.version, method: settings.method, target: target(state, family), crop: cropText(state.crop) };
    lines.push(post("/saliency", query, ` -o ${shell(`${family.name}-${settings.method}.png`)}`));
  }
  return `${lines.join("\n")}\n`;
}

/** A Python program that does the same. */
function python(state) {
  const { settings, families, picture } = state;
  const sample = picture?.sample ?? null;
  const crop = state.crop === null ? [] : [`crop=(${cropText(state.crop).replaceAll(",", ", ")})`];
  const call = (...given) => ["picture", ...given, ...crop].join(", ");
  const lines = [
    ...(sample ? ["import httpx", ""] : []),
    "from duet import Client", "",
    sample ? `picture = httpx.get(${quote(`${location.origin}/samples/${sample.index}`)}).content` : `picture = ${quote(fileName(picture))}`,
    `with Client(${quote(location.origin)}) as duet:`,
    `    answer = duet.compare(${call(`models=[${families.map((family) => quote(reference(family))).join(", ")}]`)})`,
    "    for each in answer.predictions:",
    '        print(each.model, each.label, f"{each.probability:.1%}", "could be:", ", ".join(each.prediction_set))',
  ];
  for (const family of explained(state)) {
    const named = target(state, family);
    const given = [`method=${quote(settings.method)}`, `model=${quote(family.name)}`,
      ...(family.version === null ? [] : [`version=${family.version}`]), ...(named ? [`target=${quote(named)}`] : [])];
    lines.push(`    with open(${quote(`${family.name}-${settings.method}.png`)}, "wb") as file:`, `        file.write(duet.saliency_picture(${call(...given)}))`);
  }
  return `${lines.join("\n")}\n`;
}

function explained({ settings, families }) {
  return settings.method ? families.filter((family) => family.methods.includes(settings.method)) : [];
}

function target({ settings }, family) {
  return family.classes.includes(settings.target) ? settings.target : null;
}

function fileName(picture) {
  return picture === null ? "picture.png" : picture.file.name;
}

function text(query) {
  return new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null)).toString().replaceAll("%2C", ",").replaceAll("%40", "@");
}

/** One word of a POSIX shell. */
function shell(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A file's name in curl's -F, where commas and semicolons mean something outside of quotes. */
function part(name) {
  return /[,;"\\]/.test(name) ? `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : name;
}

/** A Python string: what JSON escapes, Python reads alike. */
function quote(value) {
  return JSON.stringify(value);
}

async function copy(content, what) {
  try {
    await navigator.clipboard.writeText(content);
    toast(`${what} copied.`, { kind: "good" });
  } catch {
    byId("snippets").open = true; // over plain http from another machine the browser offers no clipboard
    toast("The browser does not let pages copy here; take it from below.", { kind: "bad" });
  }
}
