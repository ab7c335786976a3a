// Opens the tool's picker in a dialog over the form, with the title and text that stand there; without script it is a link.
const link = document.getElementById("choose");
const dialog = document.getElementById("picker");
const frame = dialog.querySelector("iframe");

link.addEventListener("click", (event) => {
  event.preventDefault();
  const address = new URL(link.href);
  for (const [name, field] of [["title", "title"], ["text", "description"]]) {
    const given = document.getElementById(field);
    if (given) address.searchParams.set(name, given.value);
  }
  frame.src = address.href;
  dialog.showModal();
});

dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { frame.src = "about:blank"; });
