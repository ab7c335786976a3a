// The tool's frame reaches down to the end of the window, as in Moodle: measured on load and on resize, never by message.
const frame = document.getElementById("contentframe");
const MARGIN = 15;
const SMALLEST = 320;

function fit() {
  const top = frame.getBoundingClientRect().top + window.scrollY;
  frame.style.height = `${Math.max(SMALLEST, window.innerHeight - top - MARGIN)}px`;
}

fit();
window.addEventListener("load", fit);
window.addEventListener("resize", fit);
