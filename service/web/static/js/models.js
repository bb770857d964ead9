// The page of models: all families, or one version, as the address says.
import { byId } from "./dom.js";

const place = byId("models-view");
const query = new URLSearchParams(location.search);

if (query.get("model") && query.get("version")) {
  byId("models-back").hidden = false;
  byId("models-title").textContent = `${query.get("model")}@${query.get("version")}`;
  byId("models-summary").textContent = "";
  const { versionView } = await import("./models/version-view.js");
  await versionView(place, query.get("model"), query.get("version"));
} else {
  const { overview } = await import("./models/overview.js");
  await overview(place);
}
