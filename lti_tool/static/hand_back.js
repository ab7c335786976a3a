// Sends the signed choice to the platform, once: who comes back by the browser's history finds the button.
const form = document.querySelector("form[data-hand-back]");

window.addEventListener("pageshow", (shown) => {
  if (form && !shown.persisted) form.submit();
});
