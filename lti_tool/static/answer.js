// Sends an answer without leaving the page and says in words whether it is saved. Until the server has said so, the answer stays on the
// page and in memory and is sent again; the same client_id lets the server know a repeat. What a proxy or a captive portal answers in the
// server's place says nothing: only a reply that bears our own header counts. Without this file the form is posted as it is.
const LONGEST_PAUSE_SECONDS = 30;
const TIMEOUT_MS = 15_000;
const GRACE_MS = 31_000; // the server takes answers that were on their way for half a minute; then it ends the sitting
let unsaved = null;
let wake = () => {};
let activeSince = document.hidden ? null : Date.now();
let activeMs = 0;

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-answer]");
  if (!form) return;
  event.preventDefault();
  if (unsaved) return;
  if (!hasChoice(form)) {
    say(form, "waiting", form.dataset.missing);
    form.querySelector('[type="checkbox"]').focus();
    return;
  }
  send(form);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-send-again]")) wake();
});
addEventListener("online", () => wake());
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && activeSince !== null) activeMs += Date.now() - activeSince;
  activeSince = document.hidden ? null : Date.now();
});
document.addEventListener("kaona:time-over", () => {
  const form = document.querySelector("form[data-answer]");
  if (form && !unsaved && form.checkValidity() && hasChoice(form)) send(form);
  else if (!unsaved) setTimeout(() => location.reload(), GRACE_MS);
});

async function send(form) {
  form.elements.active_ms.value = String(Math.round(activeMs + (activeSince === null ? 0 : Date.now() - activeSince)));
  unsaved = new URLSearchParams(new FormData(form));
  lock(form, true);
  say(form, "saving", form.dataset.saving);
  for (let pause = 2; ; pause = Math.min(pause * 2, LONGEST_PAUSE_SECONDS)) {
    const reply = await post(form.action, unsaved);
    if (reply.page) {
      unsaved = null;
      show(form, reply);
      return;
    }
    form.querySelector("[data-send-again]").hidden = false;
    await wait(form, Math.max(pause, reply.retryAfter || 0));
    say(form, "waiting", form.dataset.retrying);
  }
}

async function post(action, body) {
  try {
    const response = await fetch(action, {
      method: "POST", body, credentials: "same-origin", headers: { Accept: "text/html", "X-Kaona-Script": "1" }, signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.headers.get("X-Kaona") !== "1") return {};
    if (response.status >= 500 || response.status === 429) return { retryAfter: Number(response.headers.get("Retry-After")) };
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const isItem = page.querySelector("form[data-answer]") !== null;
    const wayOn = response.ok && response.redirected && response.url.startsWith(new URL("../../", action).href) ? response.url : null;
    return isItem || wayOn || !response.ok ? { page, isItem, wayOn } : {};
  } catch {
    return {};
  }
}

function wait(form, seconds) {
  return new Promise((resolve) => {
    let left = seconds;
    const draw = () => say(form, "waiting", form.dataset.waiting.replace("{n}", left));
    const counting = setInterval(() => {
      left -= 1;
      if (left <= 0) wake();
      else if (left % 5 === 0) draw();
    }, 1000);
    wake = () => {
      clearInterval(counting);
      wake = () => {};
      resolve();
    };
    draw();
  });
}

function show(form, reply) {
  const { page, isItem, wayOn } = reply;
  if (isItem) {
    document.title = page.title;
    document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
    activeMs = 0;
    activeSince = document.hidden ? null : Date.now();
    document.dispatchEvent(new Event("kaona:page"));
    scrollTo(0, 0);
    (document.querySelector("[data-focus]") ?? document.querySelector("[data-stem]")).focus({ preventScroll: true });
  } else if (wayOn) {
    location.assign(wayOn);
  } else {
    refuse(form, page.querySelector("[data-error]"));
  }
}

function refuse(form, error) {
  const box = document.createElement("div");
  box.className = "note bad";
  box.setAttribute("role", "alert");
  box.tabIndex = -1;
  const kept = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = form.dataset.refused;
  kept.append(strong);
  box.append(kept);
  for (const heading of error?.querySelectorAll("h1, h2") ?? []) {
    const line = document.createElement("p");
    line.append(...heading.childNodes);
    heading.replaceWith(line);
  }
  if (error) box.append(document.adoptNode(error));
  form.before(box);
  form.querySelector("[data-send]").hidden = true;
  form.querySelector("[data-send-again]").hidden = true;
  say(form, "none", "");
  box.focus();
}

function lock(form, isLocked) {
  for (const part of form.querySelectorAll("fieldset")) part.disabled = isLocked;
  for (const field of form.querySelectorAll('input[type="text"]')) field.readOnly = isLocked;
  form.querySelector("[data-send]").setAttribute("aria-disabled", String(isLocked));
}

function say(form, state, text) {
  const place = form.querySelector("[data-savestate]");
  place.dataset.state = state;
  place.textContent = text;
}

function hasChoice(form) {
  return !form.querySelector("[data-some-required]") || form.querySelector("[data-some-required] :checked") !== null;
}
