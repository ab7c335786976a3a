// Ordering items: buttons move a line up or down; the number fields stay in the form and carry the answer.
const ARROW = { up: "M3 12 9 5l6 7", down: "M3 6l6 7 6-7" };

function enhance() {
  for (const list of document.querySelectorAll("[data-ordering]:not([data-ready])")) prepare(list);
}

function prepare(list) {
  list.dataset.ready = "";
  for (const line of list.querySelectorAll("[data-line]")) {
    line.querySelector("select").hidden = true;
    const number = document.createElement("span");
    number.className = "place";
    line.prepend(number);
    const moves = document.createElement("span");
    moves.className = "moves";
    moves.append(button(list, line, "up"), button(list, line, "down"));
    line.append(moves);
  }
  sort(list);
  const form = list.closest("form");
  form.querySelector("[data-plain-hint]").hidden = true;
  form.querySelector("[data-moves-hint]").hidden = false;
}

function sort(list) {
  list.append(...[...list.querySelectorAll("[data-line]")].sort((a, b) => place(a) - place(b)));
  number(list);
}

function button(list, line, way) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "square";
  made.dataset.way = way;
  made.setAttribute("aria-label", list.dataset[way].replace("{line}", words(line)));
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 18 18");
  picture.setAttribute("aria-hidden", "true");
  const arrow = document.createElementNS("http://www.w3.org/2000/svg", "path");
  arrow.setAttribute("d", ARROW[way]);
  arrow.setAttribute("fill", "none");
  arrow.setAttribute("stroke", "currentColor");
  arrow.setAttribute("stroke-width", "2.5");
  picture.append(arrow);
  made.append(picture);
  made.addEventListener("click", () => move(list, line, way, made));
  return made;
}

function move(list, line, way, pressed) {
  const other = way === "up" ? line.previousElementSibling : line.nextElementSibling;
  if (!other || pressed.closest("fieldset").disabled) return;
  if (way === "up") other.before(line);
  else other.after(line);
  number(list);
  pressed.focus();
  list.dispatchEvent(new Event("input", { bubbles: true })); // answer.js keeps what was begun
  const lines = [...list.children];
  list.closest("form").querySelector("[data-ordering-news]").textContent = list.dataset.moved
    .replace("{line}", words(line)).replace("{n}", lines.indexOf(line) + 1).replace("{count}", lines.length);
}

function number(list) {
  const lines = [...list.children];
  lines.forEach((line, index) => {
    line.querySelector("select").value = String(index + 1);
    line.querySelector(".place").textContent = `${index + 1}.`;
    line.querySelector('[data-way="up"]').setAttribute("aria-disabled", String(index === 0));
    line.querySelector('[data-way="down"]').setAttribute("aria-disabled", String(index === lines.length - 1));
  });
}

const place = (line) => Number(line.querySelector("select").value);
const words = (line) => line.querySelector("[data-words]").textContent.trim();

document.addEventListener("kaona:page", enhance);
document.addEventListener("kaona:filled", () => document.querySelectorAll("[data-ordering][data-ready]").forEach(sort));
enhance();
