// Counts the time down from what the server said, in words, with warnings at 10, 5 and 1 minute. The server alone decides.
const WARNINGS_SECONDS = [600, 300, 60];
let isHidden = false;
let ticking = 0;

function start() {
  clearInterval(ticking);
  const clock = document.querySelector("[data-seconds-left]");
  if (!clock) return;
  const texts = clock.dataset;
  const shown = clock.querySelector("[data-clock]");
  const toggle = clock.querySelector("[data-clock-toggle]");
  const endsAt = Date.now() + Number(texts.secondsLeft) * 1000;
  let before = Number(texts.secondsLeft) + 1;

  function draw() {
    shown.hidden = isHidden;
    toggle.textContent = isHidden ? texts.show : texts.hide;
    toggle.setAttribute("aria-pressed", String(isHidden));
  }

  function tick() {
    const left = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
    const time = left >= 60 ? texts.minutes.replace("{n}", Math.ceil(left / 60)) : texts.seconds.replace("{n}", left);
    shown.textContent = left > 0 ? texts.left.replace("{time}", time) : texts.over;
    const passed = WARNINGS_SECONDS.findLast((mark) => left <= mark && before > mark);
    if (passed) warn(passed === 60 ? texts.warningOne : texts.warning.replace("{n}", passed / 60));
    before = left;
    if (left === 0) {
      clearInterval(ticking);
      warn(texts.over);
      document.dispatchEvent(new Event("kaona:time-over"));
    }
  }

  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    isHidden = !isHidden;
    draw();
  });
  draw();
  tick();
  ticking = setInterval(tick, 1000);
}

function warn(text) {
  document.querySelector("[data-clock-warning]").textContent = text;
}

document.addEventListener("kaona:page", start);
start();
