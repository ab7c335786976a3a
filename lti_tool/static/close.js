// Tells the platform that its registration page may close (LTI Dynamic Registration 1.0, section 3.7): by itself when all is
// well, by the button else. Only the platform's own pages hear it.
const page = document.querySelector("[data-close-for]");
const button = document.querySelector("[data-close]");
const target = window.opener || window.parent;

function close() {
  for (const origin of page.dataset.closeFor.split(" ")) {
    target.postMessage({ subject: "org.imsglobal.lti.close" }, origin);
  }
}

if (target && target !== window) {
  button.hidden = false;
  button.addEventListener("click", close);
  if ("closeNow" in page.dataset) close();
}
