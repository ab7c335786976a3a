// The list of statements renews itself every few seconds, until it is stopped. Without script it is renewed by loading the page again.
const EVERY_MS = 5000;
const MAX_FAILURES = 5;

const list = document.getElementById("tail");
const state = document.getElementById("tail-state");
const texts = state.dataset;
const button = document.createElement("button");
let timer = 0;
let failures = 0;

async function renew() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("tail");
    if (fresh && !fresh.isEqualNode(list) && !list.contains(document.activeElement)) list.replaceChildren(...fresh.childNodes);
    failures = 0;
  } catch {
    failures += 1;
  }
  if (failures >= MAX_FAILURES) {
    stop();
    state.textContent = texts.late;
  } else if (timer) {
    timer = setTimeout(renew, EVERY_MS);
  }
}

function go() {
  timer = setTimeout(renew, EVERY_MS);
  state.textContent = texts.on;
  button.textContent = texts.stop;
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  state.textContent = texts.off;
  button.textContent = texts.go;
}

button.type = "button";
button.className = "button second";
button.addEventListener("click", () => (timer ? stop() : go()));
state.after(button);
go();
