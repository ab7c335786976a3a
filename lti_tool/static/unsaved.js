// What a page keeps of answers that are not saved yet (answer.js) is for one person: as soon as somebody else is here, it goes.
const { person } = document.body.dataset;

if (person) {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith("kaona:") && !key.startsWith(`kaona:${person}:`)) sessionStorage.removeItem(key);
    }
  } catch {} // storage is denied: nothing was kept
}
