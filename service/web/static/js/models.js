// The page of models: all families, or one version, as the address says.
import { byId } from "./dom.js";
import { heading } from "./parts/heading.js";

const place = byId("models-view");
const query = new URLSearchParams(location.search);

if (query.get("model") && query.get("version")) {
  const { versionView } = await import("./models/version-view.js");
  await versionView(place, query.get("model"), query.get("version"));
} else {
  heading("Versions never change; what moves is the champion of each family, the one that answers. Every move is kept.");
  const { overview } = await import("./models/overview.js");
  await overview(place);
}
