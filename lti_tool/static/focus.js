// Counts how often and for how long the page is left while an item is shown. The numbers go with the answer; nothing is sent for them
// alone. A moment's absence, as when a keyboard or a notice comes up, is none.
const SHORTEST_MS = 1000;
let count = 0;
let awayMs = 0;
let leftAt = null;

function leave() {
  leftAt ??= Date.now();
}

function comeBack() {
  const gone = leftAt === null ? 0 : Date.now() - leftAt;
  leftAt = null;
  if (gone < SHORTEST_MS) return;
  count += 1;
  awayMs += gone;
}

addEventListener("blur", leave);
addEventListener("focus", comeBack);
document.addEventListener("visibilitychange", () => (document.hidden ? leave() : document.hasFocus() && comeBack()));
document.addEventListener("kaona:page", () => {
  count = 0;
  awayMs = 0;
  if (leftAt !== null) leftAt = Date.now();
});
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-answer]")) return;
  const gone = leftAt === null ? 0 : Date.now() - leftAt;
  const isAway = gone >= SHORTEST_MS;
  event.formData.set("away_count", count + (isAway ? 1 : 0));
  event.formData.set("away_ms", awayMs + (isAway ? gone : 0));
});
