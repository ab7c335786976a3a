// A field that is there to be copied selects itself, and gets a button where the browser lets us write to the clipboard.
const texts = { th: ["คัดลอก", "คัดลอกแล้ว"], en: ["Copy", "Copied"] }[document.documentElement.lang];

for (const field of document.querySelectorAll(".copy[readonly]")) {
  field.addEventListener("focus", () => field.select());
  if (!navigator.clipboard) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button second";
  button.textContent = texts[0];
  button.setAttribute("aria-describedby", field.id);
  button.addEventListener("click", async () => {
    field.focus();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = texts[1];
    } catch {
      button.hidden = true; // it lies selected, ready for the keyboard
    }
  });
  field.after(button);
}
