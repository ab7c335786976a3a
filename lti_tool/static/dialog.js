// A link or button with data-dialog="<id>" opens that dialog instead; the browser gives the focus back when it closes.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog).showModal();
  }
  event.target.closest("[data-dialog-close]")?.closest("dialog").close();
});
