// Address of the service, which may be below a path of a proxy (DUET_ROOT_PATH).

/** The path of the proxy, such as "/duet"; empty without one. */
const root = new URL(import.meta.url).pathname.split("/ui/assets/")[0];

/** Address of the service, without a slash at the end. */
export const service = `${location.origin}${root}`;

/** "/jobs" -> "/duet/jobs"; other addresses are unchanged. */
export function below(path) {
  return path.startsWith("/") ? `${root}${path}` : path;
}
