// Settings in the link: families, versions, method, target class, map opacity, index of a test image.
import { METHODS } from "./methods.js";

const STRENGTH = 65;

/** {families: ["cnn"], versions: {cnn: 2}, method, target, strength, sample} from the address, with defaults for the rest. */
export function readSettings() {
  const query = new URLSearchParams(location.search);
  const versions = {};
  for (const reference of (query.get("models") ?? "").split(",")) {
    const [family, version] = reference.split("@");
    if (/^\d{1,9}$/.test(version ?? "")) versions[family] = Number(version);
  }
  const strength = Number(query.get("strength") ?? STRENGTH);
  const method = query.get("method");
  const sample = query.get("sample");
  return {
    families: (query.get("families") ?? "").split(",").filter(Boolean),
    versions,
    method: Object.hasOwn(METHODS, method) ? method : "",
    target: query.get("target") ?? "",
    strength: strength >= 0 && strength <= 100 ? strength : STRENGTH,
    sample: /^\d{1,9}$/.test(sample ?? "") ? Number(sample) : null,
  };
}

/** Query of a link with these settings; empty if all are defaults. */
export function queryOf(settings) {
  const query = new URLSearchParams();
  const models = Object.entries(settings.versions).filter(([, version]) => version).map((each) => each.join("@"));
  if (settings.families.length) query.set("families", settings.families.join(","));
  if (models.length) query.set("models", models.join(","));
  if (settings.method) query.set("method", settings.method);
  if (settings.target) query.set("target", settings.target);
  if (settings.strength !== STRENGTH) query.set("strength", settings.strength);
  if (settings.sample !== null) query.set("sample", settings.sample);
  const text = query.toString();
  return text && `?${text}`;
}

/** Write the settings to the page's address, for reloads and bookmarks. */
export function writeSettings(settings) {
  history.replaceState(null, "", `${location.pathname}${queryOf(settings)}`);
}
