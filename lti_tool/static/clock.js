// Counts the time down from what the server said, in words, with warnings at 10, 5 and 1 minute, and asks the server every few seconds
// whether more or less is left: extra time holds in the open page. A pause and one item's own time are counted in the same way. The server
// alone decides; without this file its times stand in the page.
const WARNINGS_SECONDS = [600, 300, 60];
const ASK_SECONDS = 4;
const ASK_HIDDEN_SECONDS = 20; // also the sign of life of a page in the background
const LONGEST_ASK_SECONDS = 60;
const TIMEOUT_MS = 4_000;
const DRIFT_SECONDS = 3; // less is the way of the answer, or our own clock
const CHANGED_SECONDS = 20; // so much is told
let isHidden = false;
let ticking = 0;
let asking = 0;
let askSeconds = ASK_SECONDS;
let whole = null; // the sitting's time: {left, endsAt, before}
let part = null; // the item's own
let isOver = false;
let isReloading = false;

const shownClock = () => document.querySelector("[data-seconds-left]");

function start() {
  clearInterval(ticking);
  const clock = shownClock();
  if (!clock) return;
  const item = document.querySelector("[data-item-seconds-left]");
  whole = counted(Number(clock.dataset.secondsLeft));
  part = item && counted(Number(item.dataset.itemSecondsLeft));
  isOver = false;
  const toggle = clock.querySelector("[data-clock-toggle]");
  if (toggle) {
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      isHidden = !isHidden;
      drawToggle();
    });
    drawToggle();
  }
  tick();
  ticking = setInterval(tick, 1000);
  askLater();
}

function counted(seconds) {
  return { endsAt: Date.now() + seconds * 1000, before: seconds + 1 };
}

function leftOf(count) {
  return Math.max(0, Math.ceil((count.endsAt - Date.now()) / 1000));
}

function drawToggle() {
  const clock = shownClock();
  const toggle = clock.querySelector("[data-clock-toggle]");
  clock.querySelector("[data-clock]").hidden = isHidden;
  toggle.textContent = isHidden ? clock.dataset.show : clock.dataset.hide;
  toggle.setAttribute("aria-pressed", String(isHidden));
}

function words(texts, left) {
  return left >= 60 ? texts.minutes.replace("{n}", Math.ceil(left / 60)) : texts.seconds.replace("{n}", left);
}

function tick() {
  const clock = shownClock();
  if (!clock) return;
  const texts = clock.dataset;
  const left = leftOf(whole);
  const isStanding = texts.paused !== undefined;
  clock.querySelector("[data-clock]").textContent = left > 0 ? texts.left.replace("{time}", words(texts, left)) : texts.over;
  const passed = WARNINGS_SECONDS.findLast((mark) => left <= mark && whole.before > mark);
  if (passed && !isStanding) warn(passed === 60 ? texts.warningOne : texts.warning.replace("{n}", passed / 60));
  whole.before = left;
  if (part) tickItem(texts);
  if (left === 0 && !isOver) {
    isOver = true;
    if (isStanding) reload();
    else {
      warn(texts.over);
      over("attempt", 31_000);
    }
  }
}

function tickItem(texts) {
  const shown = document.querySelector("[data-item-clock]");
  const left = leftOf(part);
  shown.textContent = left > 0 ? texts.itemLeft.replace("{time}", words(texts, left)) : texts.itemOver;
  if (left <= 10 && part.before > 10) warn(texts.itemWarning);
  if (left === 0 && part.before > 0 && !isOver) {
    warn(texts.itemOver);
    over("item", 11_000);
  }
  part.before = left;
}

function over(of, graceMs) {
  document.dispatchEvent(new CustomEvent("kaona:time-over", { detail: { of, grace_ms: graceMs } }));
}

function warn(text) {
  document.querySelector("[data-clock-warning]").textContent = text;
}

function reload() {
  if (isReloading || !document.dispatchEvent(new Event("kaona:reload", { cancelable: true }))) return; // answers wait to be sent
  isReloading = true;
  location.reload();
}

// --- asking the server --------------------------------------------------------------------------------------------------------------------

function askLater() {
  clearTimeout(asking);
  asking = setTimeout(ask, (document.hidden ? Math.max(ASK_HIDDEN_SECONDS, askSeconds) : askSeconds) * 1000);
}

async function ask() {
  const clock = shownClock();
  if (!clock?.dataset.ask) return;
  try {
    const response = await fetch(clock.dataset.ask, {
      credentials: "same-origin", headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.headers.get("X-Kaona") !== "1" || !response.ok) throw new Error(String(response.status));
    const told = await response.json();
    askSeconds = told.ask_again_seconds;
    take(told, clock);
  } catch {
    askSeconds = Math.min(askSeconds * 2, LONGEST_ASK_SECONDS);
  }
  askLater();
}

function take(told, clock) {
  if (clock !== shownClock()) return; // another item has come meanwhile
  const isStanding = clock.dataset.paused !== undefined;
  if (told.is_elsewhere) document.dispatchEvent(new Event("kaona:moved"));
  else if (told.state !== (isStanding ? "paused" : "running")) reload();
  else {
    const change = correct(whole, isStanding ? told.pause_seconds_left : told.seconds_left);
    if (part && told.item_seconds_left !== null) correct(part, told.item_seconds_left);
    if (part && told.item_seconds_left === null) dropItem();
    if (!isStanding && Math.abs(change) >= CHANGED_SECONDS) tell(change, clock.dataset);
  }
}

function correct(count, seconds) {
  const change = seconds - leftOf(count);
  if (Math.abs(change) < DRIFT_SECONDS) return 0;
  Object.assign(count, counted(seconds));
  isOver = false;
  tick();
  return change;
}

function dropItem() {
  part = null;
  document.querySelector("[data-item-seconds-left]").remove();
}

function tell(change, texts) {
  const text = (change > 0 ? texts.longer : texts.shorter).replace("{time}", words(texts, leftOf(whole)));
  warn(text);
  const news = document.querySelector("[data-clock-news]");
  news.textContent = text;
  news.hidden = false;
}

document.addEventListener("kaona:page", (event) => {
  if (!event.detail?.isBarKept) start();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  askSeconds = ASK_SECONDS;
  clearTimeout(asking);
  ask();
});
start();
