/* What this page asks of kota-bff and of Acme HR's own backend. */

const LISTENERS = new Set();

/* A refusal as kota-bff words it (RFC 9457); `code` is stable, `retryAfter` is in seconds or null. */
export class Problem extends Error {
  constructor(status, { code = "unknown", detail, title } = {}, retryAfter = null) {
    super(detail ?? title ?? `Status ${status}`);
    Object.assign(this, { status, code, retryAfter });
  }
}

/* JSON in, JSON out; null for an empty answer. Raises Problem, and TypeError where nobody answers. */
export async function call(method, path, { token, body } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const started = performance.now();
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  for (const listener of LISTENERS) {
    listener({ method, path, status: answer.status, ms: Math.round(performance.now() - started) });
  }
  const content = answer.status === 204 ? null : await answer.json();
  if (answer.ok) return content;
  const retryAfter = Number.parseInt(answer.headers.get("Retry-After"), 10);
  throw new Problem(answer.status, content, Number.isNaN(retryAfter) ? null : retryAfter);
}

/* Called with every request that was answered. */
export function onRequest(listener) {
  LISTENERS.add(listener);
}

/* A person who is signed in. Acme HR's token is short-lived, so each use looks whether it needs a new one. */
export class SignedIn {
  #signingIn = null;
  #until = 0;

  /* `employer` is for a demonstration: the identity then names another company than the person's own. */
  constructor(ref, employer = null) {
    this.person = employer ? { person: ref, employer } : { person: ref };
  }

  async request(method, path, options = {}) {
    if (Date.now() > this.#until) {
      this.#until = Date.now() + 10 * 60_000;
      this.#signingIn = call("POST", "/demo/sign-in", { body: this.person });
      this.#signingIn.catch(() => (this.#until = 0));
    }
    const { token } = await this.#signingIn;
    return call(method, path, { ...options, token });
  }
}
