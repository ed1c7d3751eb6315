/* Kota's embed for any page: no framework, no build step. docs/frontend.md shows this file. */

const LOADING = new Map();
const RENEW_AT_MOST_EVERY = 60_000;
let containers = 0;

export class LoadError extends Error {}

/*
 * Shows benefits in `place`, an element, until stop() is called. `getSession` answers a fresh session each time, as
 * POST /sessions does. `onState` is told "loading", "ready", or "failed" and why: what getSession threw, or a LoadError.
 */
export function showBenefits(place, { audience, getSession, onState, theme = {} }) {
  let current = 0; // Counts attempts: what an older one still has to say is of no interest.
  let renewedAt = -Infinity;

  async function open() {
    const attempt = ++current;
    const isCurrent = () => attempt === current;
    onState("loading");
    try {
      const session = await getSession();
      await loadScript(session.script_url);
      if (!isCurrent()) return;
      // A new element each time: what the last embed left behind goes with the old one.
      const container = document.createElement("div");
      container.id = `kota-embed-${++containers}`;
      place.replaceChildren(container);
      const embed = audience === "employer" ? window.Kota.Health.employer() : window.Kota.Health.employee();
      embed.on("pageLoaded", () => isCurrent() && onState("ready"));
      embed.on("loadError", () => isCurrent() && renew());
      embed.init(session.token, { container: container.id, theme });
    } catch (error) {
      if (isCurrent()) fail(error);
    }
  }

  /* Kota has no event for a token that ran out, so a failed load gets a new one. The next soon after is a failure. */
  function renew() {
    if (Date.now() - renewedAt < RENEW_AT_MOST_EVERY) {
      fail(new LoadError("Kota's page did not load."));
      return;
    }
    renewedAt = Date.now();
    open();
  }

  function fail(error) {
    stop();
    onState("failed", error);
  }

  function stop() {
    current += 1;
    place.replaceChildren();
  }

  function retry() {
    renewedAt = -Infinity;
    open();
  }

  open();
  return { retry, stop };
}

/* Once per address, always from there: Kota allows no copy of its script. One that failed is tried again next time. */
function loadScript(url) {
  if (!LOADING.has(url)) {
    const loading = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.async = true;
      script.onload = resolve;
      script.onerror = () => {
        script.remove();
        LOADING.delete(url);
        reject(new LoadError("Kota's script could not be loaded."));
      };
      document.head.append(script);
    });
    LOADING.set(url, loading);
  }
  return LOADING.get(url);
}
