// Safe Exam Browser on engines that send no headers of their own tells what its keys are worth on this page to a script alone:
// that goes with the form. In any other browser this does nothing.
const security = () => window.SafeExamBrowser?.security;

security()?.updateKeys?.(() => {}); // the first versions fill in the values after this call only
document.addEventListener("formdata", (event) => {
  const known = event.target.matches("form[data-answer], form[data-exam-browser]") ? security() : undefined;
  if (!known) return;
  event.formData.set("seb_config", known.configKey ?? "");
  event.formData.set("seb_exam", known.browserExamKey ?? "");
  event.formData.set("seb_page", location.href.split("#")[0]);
});
