/* Acme HR's benefits page. */
import { call, onRequest, Problem, SignedIn } from "./bff.js";
import { showBenefits } from "./embed.js";
import { $, countItem, element, factItem, notificationItem, personCard } from "./view.js";

const LOOK_EVERY = 2000;
const THEME = { primaryColor: "#0b5d56", backgroundColor: "#ffffff", radius: "14px", ringColor: "#c77700" };
const OTHER_COMPANY = { "demo-juniper": "demo-harbour", "demo-harbour": "demo-juniper" };
const REFUSALS = {
  audience_not_granted: "These benefits are not yours to see. If that is wrong, please ask your HR team.",
  rejected: "Kota needs a correction before your benefits can start. Your HR team has been told.",
  offboarded: "Your benefits here have ended.",
  restricted: "Your benefits are not available at the moment. Please ask your HR team.",
  too_many_requests: "That was a lot at once. Please try again in a minute.",
};

let companies = [];
let now = null;

/* A person who is signed in, and what is on their screen. */
class Visit {
  me = null;
  drawn = null;
  waiting = false;
  shown = null;
  timer = null;

  constructor(company, person) {
    Object.assign(this, { company, person, role: person.audiences[0], user: new SignedIn(person.ref) });
  }

  close() {
    clearTimeout(this.timer);
    this.shown?.stop();
  }
}

async function choosePerson() {
  now?.close();
  now = null;
  sessionStorage.removeItem("person");
  companies = await call("GET", "/demo/people");
  $("companies").replaceChildren(
    ...companies.map((company) =>
      element(
        "section",
        { "aria-label": company.name },
        element("h2", { text: company.name }),
        element("ul", { class: "people" }, ...company.people.map((one) => personCard(one, (chosen) => signIn(chosen.ref)))),
      ),
    ),
  );
  show("pick");
}

async function signIn(ref) {
  const company = companies.find(({ people }) => people.some((one) => one.ref === ref));
  if (!company) return choosePerson();
  const person = company.people.find((one) => one.ref === ref);
  sessionStorage.setItem("person", ref);
  now = new Visit(company, person);
  $("home-company").textContent = `${person.name}, ${company.name}`;
  $("roles").hidden = person.audiences.length < 2;
  $("what-if").value = "";
  $("todo").replaceChildren();
  $("facts").replaceChildren();
  $("todo-none").hidden = true;
  show("home");
  chooseRole(now.role);
  await look(now);
}

function chooseRole(role) {
  now.role = role;
  for (const choice of document.getElementsByName("role")) choice.checked = choice.value === role;
  $("embed-title").textContent = role === "employer" ? "Benefits of the company" : "Your cover";
  $("ask").textContent = `Let Kota ask ${role === "employer" ? now.company.name : now.person.name} for something`;
  $("what-if").querySelector("[value=stranger]").disabled = role === "employer";
  offerHires();
  drawFacts(now);
  openBenefits();
}

function show(screen) {
  for (const id of ["pick", "home"]) $(id).hidden = id !== screen;
  $("switch").hidden = $("stage").hidden = screen !== "home";
  $("broken").hidden = true;
  $(`${screen}-title`).focus();
}

/* A demonstration may spoil the session on its way to the browser. */
async function getSession({ user, role, person, company }, trial) {
  if (trial.spoil === "stranger") user = new SignedIn(person.ref, OTHER_COMPANY[company.ref]);
  const session = await user.request("POST", "/sessions", { body: { audience: role } });
  if (trial.spoil === "script") return { ...session, script_url: new URL("/demo/assets/missing.js", location).href };
  if (trial.spoil === "embed" || (trial.spoil === "expired" && !trial.spoilt)) {
    trial.spoilt = true;
    return { ...session, token: "no-longer-good" };
  }
  return session;
}

/* `insist` asks for a session even while Kota has no record: only the refusal says whether there will ever be one. */
function openBenefits({ insist = false } = {}) {
  const here = now;
  const trial = { spoil: $("what-if").value, spoilt: false };
  here.close();
  here.waiting = false;
  here.shown = showBenefits($("embed"), {
    audience: here.role,
    theme: THEME,
    getSession: async () => {
      const ready = insist || statusOf(here, await here.user.request("GET", "/me"));
      if (!ready) throw new Problem(409, { code: "not_ready" });
      return getSession(here, trial);
    },
    onState: (state, error) => {
      if (state === "loading") note("Loading your benefits…", "busy");
      if (state === "ready") note(trial.spoilt ? "The session had run out and was renewed." : "");
      if (state === "failed") explain(here, error);
    },
  });
}

function explain(here, error) {
  if (error instanceof Problem && error.code === "not_ready") {
    // look() opens it as soon as Kota has the record. Should Kota refuse it, only a session's answer says so.
    here.waiting = true;
    here.timer = setTimeout(() => openBenefits({ insist: true }), (error.retryAfter ?? 30) * 1000);
    note("Your benefits are being set up. This page goes on by itself when they are ready.", "busy");
    return;
  }
  if (error instanceof Problem && REFUSALS[error.code]) {
    note(REFUSALS[error.code], "bad");
    return;
  }
  note("Your benefits could not be loaded.", "bad");
  $("note").append(element("button", { type: "button", text: "Try again", onclick: () => openBenefits() }));
}

function note(text, tone = "") {
  $("note").className = `note ${tone}`;
  $("note").replaceChildren(...(text ? [element("p", { text })] : []));
}

/* Status and notifications, for as long as this person is signed in. */
async function look(here) {
  while (now === here) {
    try {
      await refresh(here);
      $("broken").hidden = true;
    } catch (error) {
      if (now === here && !(error instanceof Problem && error.status === 403)) {
        $("broken").textContent = "Acme HR cannot be reached at the moment. This page keeps trying.";
        $("broken").hidden = false;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}

async function refresh(here) {
  const [me, notifications] = await Promise.all([
    here.user.request("GET", "/me"),
    here.user.request("GET", "/notifications"),
  ]);
  if (now !== here) return;
  // What has not changed is left alone, and with it where the keyboard is.
  const drawn = JSON.stringify([me, notifications.items]);
  if (here.drawn !== drawn) {
    here.drawn = drawn;
    here.me = me;
    drawFacts(here);
    drawTodo(here, notifications.items);
  }
  if (here.waiting && statusOf(here, me)) openBenefits();
}

/* Kota's word for the record that this page is about; nothing while Kota does not have it. */
function statusOf({ role }, me) {
  return role === "employer" ? me.employer.status : me.employee?.status;
}

function drawFacts(here) {
  const { me, role } = here;
  // Kota's own page is for employees that it has.
  $("hosted").hidden = role === "employer" || !me || !statusOf(here, me);
  if (!me) return;
  const facts = [factItem(here.company.name, me.employer.status)];
  if (me.employee || role === "employee") facts.push(factItem("You", me.employee?.status ?? null));
  if (role === "employer" && me.employees_processing !== null) {
    facts.push(countItem("Still being processed", me.employees_processing));
  }
  $("facts").replaceChildren(...facts);
}

function drawTodo(here, items) {
  const hadFocus = $("todo").contains(document.activeElement);
  $("todo").replaceChildren(
    ...items.map((item) =>
      notificationItem(item, {
        open: () => {
          chooseRole(item.audience);
          $("embed-title").scrollIntoView({ block: "start" });
        },
        dismiss: async () => {
          await here.user.request("POST", `/notifications/${item.id}/dismiss`);
          await refresh(here);
        },
      }),
    ),
  );
  $("todo-none").hidden = items.length > 0;
  if (hadFocus) ($("todo").querySelector("button") ?? $("main")).focus();
}

/* People whom HR has still to send to Kota. */
function offerHires() {
  const hires = now.role === "employer" ? now.company.people.filter((one) => one.waiting) : [];
  $("hires").replaceChildren(
    ...hires.map((hire) =>
      element(
        "div",
        { class: "card row" },
        element("p", {}, element("strong", { text: hire.name }), ` joined ${now.company.name} and has no benefits yet.`),
        element("button", {
          type: "button",
          text: `Send ${hire.name} to Kota`,
          onclick: async () => {
            await call("POST", `/demo/people/${hire.ref}/hire`);
            hire.waiting = false;
            offerHires();
            $("home-title").focus();
          },
        }),
      ),
    ),
  );
}

async function openHosted() {
  $("hosted-open").disabled = true;
  try {
    const { link } = await now.user.request("POST", "/sessions/hosted");
    location.assign(link);
  } catch (error) {
    explain(now, error);
  } finally {
    $("hosted-open").disabled = false;
  }
}

async function askForSomething() {
  try {
    await call("POST", "/demo/asks", { body: { person: now.person.ref, audience: now.role } });
  } catch {
    note("Kota does not have this person yet.", "bad");
  }
}

onRequest(({ method, path, status, ms }) => {
  const text = `${method} ${path.replace(/[0-9a-f-]{36}/, "…")} → ${status} in ${ms} ms`;
  $("requests").prepend(element("li", { text }));
  while ($("requests").children.length > 30) $("requests").lastElementChild.remove();
});
for (const choice of document.getElementsByName("role")) choice.addEventListener("change", () => chooseRole(choice.value));
$("switch").addEventListener("click", choosePerson);
$("what-if").addEventListener("change", () => openBenefits());
$("hosted-open").addEventListener("click", openHosted);
$("ask").addEventListener("click", askForSomething);

const last = sessionStorage.getItem("person");
await choosePerson();
if (last) await signIn(last);
