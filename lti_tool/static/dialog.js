// A link or button with data-dialog="<id>" opens that dialog instead; the browser gives the focus back when it closes. A dialog with
// data-dialog-now stands in the page and becomes a modal one at once.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog).showModal();
  }
  event.target.closest("[data-dialog-close]")?.closest("dialog").close();
});

for (const dialog of document.querySelectorAll("dialog[data-dialog-now]")) {
  dialog.close();
  dialog.showModal();
}
