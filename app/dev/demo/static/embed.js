/* Kota's embed, as docs/frontend.md explains it. */

const THEME = { primaryColor: "#0b5d56", backgroundColor: "#ffffff", radius: "14px", ringColor: "#c77700" };
const LOADING = new Map();
let shown = 0;

/* Once per address. One that failed is tried again the next time. */
export function loadScript(url) {
  if (!LOADING.has(url)) {
    const loading = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.async = true;
      script.onload = resolve;
      script.onerror = () => {
        script.remove();
        LOADING.delete(url);
        reject(new Error("Kota's script could not be loaded."));
      };
      document.head.append(script);
    });
    LOADING.set(url, loading);
  }
  return LOADING.get(url);
}

/*
 * Shows the embed in `place`, and resolves when it has loaded. `getSession` makes a fresh session at each call: the
 * answer of POST /sessions. A load that fails gets one new token, since the old one may have run out; the second
 * failure is thrown.
 */
export async function showEmbed(place, { audience, getSession, signal }) {
  try {
    await showOnce(place, { audience, session: await getSession(), signal });
  } catch (error) {
    if (!(error instanceof LoadError) || signal.aborted) throw error;
    await showOnce(place, { audience, session: await getSession(), signal });
  }
}

export class LoadError extends Error {}

async function showOnce(place, { audience, session, signal }) {
  await loadScript(session.script_url);
  signal.throwIfAborted();
  // A new element each time: what the last embed left behind goes with the old one.
  const container = document.createElement("div");
  container.id = `kota-${++shown}`;
  place.replaceChildren(container);
  await new Promise((resolve, reject) => {
    const embed = audience === "employer" ? window.Kota.Health.employer() : window.Kota.Health.employee();
    embed.on("pageLoaded", resolve);
    embed.on("loadError", () => reject(new LoadError("Kota's page did not load.")));
    embed.init(session.token, { container: container.id, theme: THEME });
  });
}
