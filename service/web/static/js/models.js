// Models page: all families, or the version in the address.
import { byId } from "./dom.js";
import { heading } from "./parts/heading.js";

const place = byId("models-view");
const query = new URLSearchParams(location.search);

if (query.get("model") && query.get("version")) {
  const { versionView } = await import("./models/version-view.js");
  await versionView(place, query.get("model"), query.get("version"));
} else {
  heading("Versions are immutable. Each family serves its champion; every promotion, rollback and deletion is recorded.");
  const { overview } = await import("./models/overview.js");
  await overview(place);
}
