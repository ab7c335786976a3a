// Sends what a person answers without leaving the page and says in words whether it is saved. Until the server has said so, an answer stays
// in memory and, where the browser lets us, in this tab's own storage; it is sent again in order under the same client_id, by which the
// server knows a repeat. What a proxy or a captive portal answers in the server's place says nothing: only a reply that bears our own header
// counts. Without this file the forms are posted as they are. Keys of the storage: `kaona:<person>:<attempt>`, see unsaved.js.
const LONGEST_PAUSE_SECONDS = 30;
const TIMEOUT_MS = 15_000;
const GRACE_MS = 31_000; // the server takes answers that were on their way for half a minute; then it ends the sitting
const words = document.querySelector("[data-words]");
const texts = words.dataset;
const pageUrl = new URL(texts.page, location.href).href;
const key = `kaona:${document.body.dataset.person}:${texts.attempt}`;
const ahead = Number(texts.now) * 1000 - Date.now(); // of the server's clock before ours
const stock = new Map(); // position -> form, of a test whose items come with the page
let queue = []; // answers that the server has not acknowledged, the oldest first
let isKept = true; // in storage, too
let isSending = false;
let halted = ""; // the refusal that the person must mend before anything more is sent
const drafts = {}; // presentation -> fields of what was begun and not sent
let nLate = 0;
let csrf = texts.csrf;
let wake = () => {};
let activeSince = document.hidden ? null : Date.now();
let activeMs = 0;

const sheet = () => document.querySelector("form[data-answer]");
const isLocked = () => sheet()?.dataset.locked === "1";
const presentationOf = (form) => form.elements.presentation.value;
const idOf = (save) => save.fields.find(([name]) => name === "client_id")?.[1];

// --- what is kept ---------------------------------------------------------------------------------------------------------------------

function keep() {
  try {
    if (queue.length || Object.keys(drafts).length) sessionStorage.setItem(key, JSON.stringify({ queue, drafts }));
    else sessionStorage.removeItem(key);
    isKept = true;
  } catch {
    isKept = false; // storage is denied or full: memory alone holds it, and the page says so
  }
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function forget() {
  queue = [];
  try {
    sessionStorage.removeItem(key);
  } catch {} // nothing was kept
}

function fieldsOf(form, submitter) {
  const data = new FormData(form);
  if (submitter?.name) data.set(submitter.name, submitter.value);
  data.delete("csrf");
  return [...data].map(([name, value]) => [name, String(value)]);
}

function fill(form, fields) {
  for (const control of form.elements) {
    const values = fields.filter(([name]) => name === control.name).map(([, value]) => value);
    if (control.type === "radio" || control.type === "checkbox") control.checked = values.includes(control.value);
    else if (control.name === "client_id" || control.tagName === "SELECT" || control.type === "text") control.value = values[0] ?? "";
  }
  form.dataset.touched = "1";
  document.dispatchEvent(new Event("kaona:filled"));
}

// --- sending --------------------------------------------------------------------------------------------------------------------------

function put(save, form) {
  const rest = queue.filter((other) => idOf(other) !== idOf(save));
  queue = save.end || document.querySelector("[data-navigator]") ? [...rest, save] : [...rest, save].sort((a, b) => a.position - b.position);
  if (form) {
    lock(form, true);
    delete drafts[presentationOf(form)];
  }
  halted = "";
  document.querySelector("[data-refusal]")?.remove();
  keep();
  say("saving", texts.saving);
  if (isSending) onward();
  else drain();
}

async function drain() {
  isSending = true;
  let last = null;
  for (let pause = 2; queue.length && !halted; ) {
    const save = queue[0];
    const reply = await post(save);
    if (!reply.page) {
      onward();
      await wait(Math.max(pause, reply.retryAfter || 0));
      pause = Math.min(pause * 2, LONGEST_PAUSE_SECONDS);
      if (queue.length) say("waiting", texts.retrying);
    } else if (reply.error && (reply.error !== "foreign_request" || save.isRenewed || !(await renew()))) {
      refuse(save, reply);
    } else if (reply.error) {
      save.isRenewed = true; // with the new token, once
    } else {
      pause = 2;
      last = reply;
      queue.shift();
      take(reply, save);
    }
  }
  isSending = false;
  if (!queue.length) settle(last);
  else if (last?.isFault) tell();
}

async function post(save) {
  const body = new URLSearchParams([...save.fields, ["csrf", csrf]]);
  return ask(`${pageUrl}/${save.end ? "end" : "responses"}`, { method: "POST", body });
}

async function renew() {
  const reply = await ask(pageUrl, {});
  if (reply.isSheet) csrf = reply.page.querySelector("[name=csrf]")?.value ?? csrf;
  return reply.isSheet && reply;
}

async function ask(url, options) {
  try {
    const response = await fetch(url, {
      ...options, credentials: "same-origin", headers: { Accept: "text/html", "X-Kaona-Script": "1" }, signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.headers.get("X-Kaona") !== "1") return {};
    if (response.status >= 500 || response.status === 429) return { retryAfter: Number(response.headers.get("Retry-After")) };
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const isSheet = page.querySelector("[data-sitting]") !== null;
    const wayOn = response.ok && response.redirected && response.url.startsWith(new URL("../", pageUrl).href) ? response.url : null;
    const error = response.ok || isSheet ? null : page.querySelector("[data-error]")?.dataset.error || "unknown";
    return isSheet || wayOn || error ? { page, isSheet, wayOn: isSheet ? null : wayOn, error, isFault: isSheet && !response.ok } : {};
  } catch {
    return {};
  }
}

function take(reply, save) {
  keep();
  if (reply.isFault) {
    halted = "answer";
    show(reply);
    return;
  }
  if (reply.wayOn) return;
  csrf = reply.page.querySelector("[name=csrf]")?.value ?? csrf;
  for (const part of reply.page.querySelectorAll("template[data-ahead]")) {
    if (!stock.has(part.dataset.ahead)) stock.set(part.dataset.ahead, document.importNode(part.content, true).querySelector("form"));
  }
  if (save.end || isLocked()) return;
  const news = reply.page.querySelector("[data-navigator]");
  if (news) document.querySelector("[data-navigator]")?.replaceWith(document.adoptNode(news));
  mark();
}

function settle(last) {
  offerAgain(false);
  if (nLate) {
    say("waiting", texts.late.replace("{n}", nLate));
  } else if (last?.wayOn) {
    forget();
    location.assign(last.wayOn);
  } else if (last && !last.isFault && (isLocked() || !sheet())) {
    show(last);
  } else if (last?.isSheet && !last.isFault) {
    const news = last.page.querySelector("[data-savestate]");
    say(news.dataset.state, news.textContent);
  }
}

// What can be done while the answer waits: the next item that came with the page, else nothing but to say so.
function onward() {
  const last = queue.at(-1);
  if (!last) return;
  offerAgain(true);
  const go = last.fields.find(([name]) => name === "go")?.[1];
  const next = stock.get(go ?? String(last.position + 1));
  if (isLocked() && next && sheet().dataset.position !== next.dataset.position) swap(next);
  tell();
}

function tell() {
  if (!queue.length) return;
  const text = queue.length === 1 ? texts.unsavedOne : texts.unsaved;
  const since = new Date(queue[0].at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Bangkok" }).split(":");
  const said = [text.replace("{n}", queue.length).replace("{time}", texts.time.replace("{h}", since[0]).replace("{m}", since[1]))];
  if (isLocked() || !sheet()) said.push(texts.more);
  if (!isKept) said.push(texts.stay);
  say("waiting", said.join(" "));
}

function wait(seconds) {
  const place = document.querySelector("[data-next-try]");
  return new Promise((resolve) => {
    let left = seconds;
    const draw = () => {
      const shown = document.querySelector("[data-next-try]");
      if (shown) [shown.hidden, shown.textContent] = [false, texts.nextTry.replace("{n}", left)];
    };
    const counting = setInterval(() => {
      left -= 1;
      if (left <= 0) wake();
      else draw();
    }, 1000);
    wake = () => {
      clearInterval(counting);
      wake = () => {};
      for (const shown of document.querySelectorAll("[data-next-try]")) shown.hidden = true;
      resolve();
    };
    if (place) draw();
  });
}

// --- refusals -------------------------------------------------------------------------------------------------------------------------

function refuse(save, reply) {
  if (reply.error === "attempt_closed" || reply.error === "already_answered" || reply.error === "presentation_not_found") {
    queue.shift(); // kept by the server as too late, or of no use any more; what comes after it may be
    nLate += reply.error === "attempt_closed";
    keep();
    if (queue.length) return;
  } else {
    halted = reply.error;
  }
  if (!document.querySelector("[data-sitting]")) return; // the sitting is over: its result says what came too late
  const box = notice(reply.page.querySelector("[data-error]"), texts.refused);
  if (reply.error === "session_missing") box.append(words.querySelector("[data-relaunch]").content.cloneNode(true));
  if (reply.error === "other_person") {
    for (const part of document.querySelectorAll("form[data-answer], [data-navigator]")) part.hidden = true; // not for the eyes of another
    try {
      sessionStorage.removeItem(key);
    } catch {} // nothing was kept
  }
  offerAgain(queue.length > 0);
  if (queue.length) tell();
  else say("none", "");
}

function notice(content, heading) {
  document.querySelector("[data-refusal]")?.remove();
  const box = document.createElement("div");
  box.className = "note bad";
  box.dataset.refusal = "";
  box.setAttribute("role", "alert");
  box.tabIndex = -1;
  if (heading && sheet()) box.append(line(heading));
  for (const title of content?.querySelectorAll("h1, h2") ?? []) title.replaceWith(line(...title.childNodes));
  if (content) box.append(document.adoptNode(content));
  document.querySelector("[data-sitting]").prepend(box);
  sheet()?.querySelector("[data-send]")?.setAttribute("hidden", "");
  box.focus();
  return box;
}

function line(...parts) {
  const made = document.createElement("p");
  const strong = document.createElement("strong");
  strong.append(...parts);
  made.append(strong);
  return made;
}

// --- the page -------------------------------------------------------------------------------------------------------------------------

function show(reply) {
  document.title = reply.page.title;
  document.querySelector("main").replaceWith(document.adoptNode(reply.page.querySelector("main")));
  document.dispatchEvent(new Event("kaona:page"));
  begin();
  const place = document.querySelector("[data-navigator]") ? sheet()?.dataset.position : document.querySelector("[data-hand-in]") && "0";
  history.replaceState(null, "", place ? `${pageUrl}?at=${place}` : pageUrl); // a reload stays here
  scrollTo(0, 0);
  (document.querySelector("[data-focus]") ?? document.querySelector("[data-stem]"))?.focus({ preventScroll: true });
}

function swap(next) {
  const left = sheet();
  stock.set(left.dataset.position, left);
  left.replaceWith(next);
  lock(next, false);
  document.title = document.title.replace(left.dataset.title, next.dataset.title);
  document.querySelector("#progress-text").textContent = next.dataset.progress;
  mark();
  activeMs = 0;
  activeSince = document.hidden ? null : Date.now();
  document.dispatchEvent(new CustomEvent("kaona:page", { detail: { isBarKept: true } }));
  scrollTo(0, 0);
  next.querySelector("[data-stem]").focus({ preventScroll: true });
}

function mark() {
  for (const button of document.querySelectorAll("[data-navigator] button[value]")) {
    if (button.value === sheet()?.dataset.position) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// A page that has just come: its stock, what was begun on it before a reload, and the clock of the person's work.
function begin() {
  activeMs = 0;
  activeSince = document.hidden ? null : Date.now();
  stock.clear();
  for (const part of document.querySelectorAll("template[data-ahead]")) {
    stock.set(part.dataset.ahead, document.importNode(part.content, true).querySelector("form"));
  }
  if (sheet() && drafts[presentationOf(sheet())]) fill(sheet(), drafts[presentationOf(sheet())]);
}

function lock(form, isOn) {
  form.dataset.locked = isOn ? "1" : "";
  for (const part of form.querySelectorAll("fieldset")) part.disabled = isOn;
  for (const field of form.querySelectorAll('input[type="text"]')) field.readOnly = isOn;
  for (const flag of form.querySelectorAll('[name="flag"][type="checkbox"]')) flag.disabled = isOn;
  form.querySelector("[data-send]").hidden = false;
  form.querySelector("[data-send]").setAttribute("aria-disabled", String(isOn));
  if (!isOn && form.dataset.sent) form.elements.client_id.value = newId(); // another answer is another row
  if (isOn) form.dataset.sent = "1";
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function offerAgain(isOn) {
  document.querySelector("[data-send-again]")?.toggleAttribute("hidden", !isOn);
}

function say(state, text) {
  const place = document.querySelector("[data-savestate]");
  if (!place) return;
  place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text; // said again only when it changes
}

function hasChoice(form) {
  return !form.querySelector("[data-some-required]") || form.querySelector("[data-some-required] :checked") !== null;
}

function send(form, submitter) {
  form.elements.active_ms.value = String(Math.round(activeMs + (activeSince === null ? 0 : Date.now() - activeSince)));
  put({ fields: fieldsOf(form, submitter), at: Date.now() + ahead, position: Number(form.dataset.position) }, form);
}

function sendNow() {
  halted = "";
  document.querySelector("[data-refusal]")?.remove();
  if (isSending) wake();
  else drain();
}

async function goOn() {
  halted = "";
  document.querySelector("[data-refusal]")?.remove();
  const reply = await renew();
  if (queue.length) return isSending ? wake() : drain();
  return reply ? show(reply) : location.assign(pageUrl);
}

// --- what people and the browser do ---------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (form.matches("form[data-hand-in]")) {
    event.preventDefault();
    document.querySelector("dialog[open]")?.close();
    if (!queue.some((save) => save.end)) put({ fields: [["client_id", newId()]], at: Date.now() + ahead, position: Infinity, end: true });
  }
  if (!form.matches("form[data-answer]")) return;
  event.preventDefault();
  if (isLocked()) {
    const next = submitter?.name === "go" && stock.get(submitter.value);
    if (next && queue.length) swap(next), tell();
    return;
  }
  if (!submitter?.formNoValidate && !hasChoice(form)) {
    say("waiting", texts.missing);
    form.querySelector('[data-some-required] [type="checkbox"]').focus();
    return;
  }
  send(form, submitter);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-send-again]")) {
    sendNow();
  }
  const link = event.target.closest("[data-refusal] a");
  if (link && link.href === pageUrl) {
    event.preventDefault(); // what waits in memory alone would go with the page
    goOn();
  }
});

addEventListener("online", () => wake());
addEventListener("beforeunload", (event) => {
  if (queue.length) event.preventDefault();
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  if (queue.length) sendNow();
  else location.reload(); // another page of the sitting may have gone on meanwhile
});
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    const form = event.target.closest?.("form[data-answer]");
    if (!form) return;
    form.dataset.touched = "1";
    drafts[presentationOf(form)] = fieldsOf(form);
    keep();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden && activeSince !== null) activeMs += Date.now() - activeSince;
  activeSince = document.hidden ? null : Date.now();
  if (!document.hidden && queue.length && ["", "session_missing"].includes(halted)) sendNow(); // signed in again in another tab, perhaps
});
document.addEventListener("kaona:reload", (event) => {
  if (!queue.length) return;
  event.preventDefault(); // the reply to what waits leads on
  if (!halted) wake();
});
document.addEventListener("kaona:moved", () => {
  if (!document.querySelector("[data-refusal]") && !isSending) notice(words.querySelector("[data-moved]").content.cloneNode(true));
});
document.addEventListener("kaona:time-over", (event) => {
  const form = sheet();
  if (form && !isLocked() && form.checkValidity() && hasChoice(form) && (form.dataset.touched || !form.querySelector("[data-ordering]"))) send(form);
  setTimeout(() => {
    if (!queue.length && !nLate) location.reload();
  }, event.detail?.grace_ms ?? GRACE_MS);
});

// --- after a reload -------------------------------------------------------------------------------------------------------------------

const before = kept();
queue = before.queue ?? [];
if (document.querySelector("[data-sitting]")) Object.assign(drafts, before.drafts);
else keep(); // the sitting is over: only what waits is still of use, and only until it is handed over
begin();
if (queue.length) {
  const own = sheet() && queue.findLast((save) => save.fields.some(([name, value]) => name === "presentation" && value === presentationOf(sheet())));
  if (own) fill(sheet(), own.fields);
  if (sheet()) lock(sheet(), true);
  tell();
  drain();
}
