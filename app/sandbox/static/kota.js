/* A stand-in for Kota's browser script: the published constructors and events, over the sandbox instead of Kota. */
(() => {
  "use strict";

  const origin = new URL(document.currentScript.src).origin;
  let embeds = 0;

  const STYLE = `
    :host { display: block; }
    section {
      --primary: #1f4fd8; --background: #ffffff; --radius: 8px; --ring: #1f4fd8;
      background: var(--background); color: #1b1f2a; border: 1px solid #c9cedb; border-radius: var(--radius);
      font: 16px/1.5 system-ui, sans-serif; padding: 1.5rem;
    }
    h2, h3, p { margin: 0 0 .5rem; }
    h2 { font-size: 1.375rem; } h3 { font-size: 1.0625rem; }
    ul { list-style: none; margin: 1rem 0 0; padding: 0; }
    li { border-top: 1px solid #c9cedb; padding: 1rem 0; }
    .quiet { color: #4d5568; }
    .choices { display: flex; flex-wrap: wrap; gap: .5rem; }
    button {
      font: inherit; min-height: 2.75rem; padding: .25rem 1rem; cursor: pointer;
      border: 1px solid var(--primary); border-radius: var(--radius); background: transparent; color: inherit;
    }
    button.primary { background: var(--primary); color: #ffffff; }
    button:disabled { opacity: .6; cursor: progress; }
    :focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; }
  `;
  const THEME = {
    primaryColor: "--primary",
    backgroundColor: "--background",
    radius: "--radius",
    ringColor: "--ring",
  };

  /* An element with text, never markup: what the texts say is not ours. */
  function element(name, { text, ...attributes } = {}, ...children) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    if (text !== undefined) made.textContent = text;
    made.append(...children);
    return made;
  }

  class Embed {
    constructor(audience) {
      this.audience = audience;
      this.listeners = new Map();
      this.id = `kota-${++embeds}`;
    }

    on(event, listener) {
      this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
      return this;
    }

    /* Shows the session in the container, an element's id. The token is kept in memory only. */
    async init(token, { container = this.audience, theme = {}, dependants_cover = "full" } = {}) {
      this.token = token;
      this.cover = dependants_cover;
      const host = document.getElementById(container);
      if (!host) {
        this.emit("loadError", { message: `There is no element with the id ${container}.` });
        return;
      }
      const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
      this.heading = element("h2", { id: this.id, tabindex: "-1" });
      this.status = element("p", { role: "status", class: "quiet" });
      this.content = element("div");
      const section = element("section", { "aria-labelledby": this.id }, this.heading, this.status, this.content);
      for (const [name, property] of Object.entries(THEME)) {
        if (theme[name]) section.style.setProperty(property, theme[name]);
      }
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.replaceChildren(section);
      await this.load();
    }

    async load() {
      this.heading.textContent = "Benefits";
      this.status.textContent = "Loading…";
      let session;
      try {
        session = await this.call("GET", "/embed/session");
        if (session.audience !== this.audience) throw new Error(`This token is for an ${session.audience}.`);
      } catch (error) {
        this.status.textContent = "Your benefits could not be loaded.";
        this.emit("loadError", { message: error.message });
        return;
      }
      this.show(session);
      this.emit(session.covered ? "healthManagementLoaded" : "healthSetupLoaded", {});
      this.emit("pageLoaded", { pageTitle: this.heading.textContent });
    }

    show(session) {
      this.heading.textContent = `Benefits of ${session.name}`;
      this.status.textContent = session.actions.length ? "Something needs your answer." : "Nothing needs your answer.";
      const facts = [`${session.status}, Kota sandbox, no real insurance`];
      if (session.external_customer_id) facts.push(`Customer: ${session.external_customer_id}`);
      if (this.audience === "employer") facts.push(`Cover for dependants: ${this.cover}`);
      this.content.replaceChildren(...facts.map((text) => element("p", { text, class: "quiet" })));
      const actions = session.actions.map((action, place) => this.action(action, place));
      if (actions.length) this.content.append(element("ul", {}, ...actions));
    }

    action(action, place) {
      const title = `${this.id}-action-${place}`;
      const choices = element("div", { class: "choices", role: "group", "aria-labelledby": title });
      for (const [answer, label] of [["accept", "Complete"], ["decline", "Decline"]]) {
        if (!action.answers.includes(answer)) continue;
        const button = element("button", { type: "button", text: label, class: answer === "accept" ? "primary" : "" });
        button.addEventListener("click", () => this.settle(action, answer, choices));
        choices.append(button);
      }
      const parts = [element("h3", { id: title, text: action.title }), element("p", { text: action.body })];
      if (action.due_on) parts.push(element("p", { text: `By ${action.due_on}`, class: "quiet" }));
      return element("li", {}, ...parts, choices);
    }

    async settle(action, answer, choices) {
      for (const button of choices.children) button.disabled = true;
      try {
        this.show(await this.call("POST", `/embed/actions/${action.id}`, { answer }));
        this.status.textContent = `Done: ${action.title}`;
        this.heading.focus();
      } catch (error) {
        this.status.textContent = "That did not work. Please try again.";
        for (const button of choices.children) button.disabled = false;
        this.emit("loadError", { message: error.message });
      }
    }

    async call(method, path, body) {
      const headers = { authorization: `Bearer ${this.token}` };
      if (body) headers["content-type"] = "application/json";
      const answer = await fetch(origin + path, { method, headers, body: body && JSON.stringify(body) });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.detail ?? content.title);
      return content;
    }

    emit(event, detail) {
      for (const listener of this.listeners.get(event) ?? []) listener(detail);
      window.dispatchEvent(new CustomEvent(`${this.audience}.${event}`, { detail }));
    }
  }

  window.Kota = {
    Health: {
      employer: () => new Embed("employer"),
      employee: () => new Embed("employee"),
    },
  };
})();
