// A tool that is done with its registration says so; then the frame is left for the list of tools.
// Stands in the head, so that it listens before the frame is there.
window.addEventListener("message", (event) => {
  const frame = document.getElementById("registration");
  if (!frame || event.source !== frame.contentWindow || event.origin !== frame.dataset.origin) return;
  if (event.data && event.data.subject === "org.imsglobal.lti.close") window.location.assign(frame.dataset.next);
});
