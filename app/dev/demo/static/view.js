/* Elements from data. Texts are never markup. */

export const $ = (id) => document.getElementById(id);

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) made.addEventListener(attribute.slice(2), value);
    else made.setAttribute(attribute, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

const LONG = new Intl.DateTimeFormat("en-IE", { dateStyle: "long", timeZone: "UTC" });
const DAY = 24 * 60 * 60 * 1000;

/* A calendar date has no time zone: it is compared with the day that the person's own calendar shows. */
export function deadline(date) {
  const [year, month, day] = date.split("-").map(Number);
  const due = Date.UTC(year, month - 1, day);
  const now = new Date();
  const days = Math.round((due - Date.UTC(now.getFullYear(), now.getMonth(), now.getDate())) / DAY);
  let left = days > 1 ? `in ${days} days` : "tomorrow";
  if (days === 0) left = "today";
  if (days < 0) left = "overdue";
  return { text: `By ${LONG.format(due)}, ${left}`, urgent: days <= 3 };
}

export function personCard(person, choose) {
  const initials = person.name.split(" ").map((part) => part[0]).join("");
  const roles = person.audiences.includes("employer") ? "HR admin and employee" : "Employee";
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", class: "person", onclick: () => choose(person) },
      element("span", { class: "face", "aria-hidden": "true", text: initials }),
      element(
        "span",
        {},
        element("strong", { text: person.name }),
        element("span", { class: "faint", text: person.job }),
        element("span", { class: "tag", text: roles }),
      ),
    ),
  );
}

export function notificationItem(notification, { open, dismiss }) {
  const id = `todo-${notification.id}`;
  const parts = [
    element("p", { class: "tag", text: notification.audience === "employer" ? "For the company" : "For you" }),
    element("h3", { id, text: notification.title }),
  ];
  if (notification.body) parts.push(element("p", { text: notification.body }));
  if (notification.due_on) {
    const { text, urgent } = deadline(notification.due_on);
    parts.push(element("p", { class: urgent ? "due urgent" : "due", text }));
  }
  const actions = element(
    "div",
    { class: "row" },
    element("button", { type: "button", class: "primary", text: "Answer", "aria-describedby": id, onclick: open }),
    element("button", { type: "button", class: "plain", text: "Dismiss", "aria-describedby": id, onclick: dismiss }),
  );
  return element("li", { class: "card" }, element("div", {}, ...parts), actions);
}

const STATUS = {
  null: ["On its way to Kota", "wait"],
  pending: ["Kota is still processing", "wait"],
  active: ["Active", "good"],
  offboarding: ["Leaving", "wait"],
  inactive: ["Left", "bad"],
  restricted: ["Restricted", "bad"],
};

/* Kota may add statuses at any time: one that is not known is shown as it is. */
export function factItem(label, status) {
  const [text, tone] = STATUS[status] ?? [status.replaceAll("_", " "), "wait"];
  return element(
    "li",
    { class: `fact ${tone}` },
    element("span", { class: "faint", text: label }),
    element("strong", { text }),
  );
}

export function countItem(label, count) {
  return element(
    "li",
    { class: "fact count" },
    element("span", { class: "faint", text: label }),
    element("strong", { text: count }),
  );
}
