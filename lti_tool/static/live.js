// Keeps parts of a page at their newest: reads them again every few seconds while the page is looked at, and changes only what is different,
// so that nobody loses the place where they are. Without this file the page shows what was so when it was opened.
const TIMEOUT_MS = 8_000;
let pause = 1;

function later(part) {
  setTimeout(() => refresh(part), Number(part.dataset.liveSeconds) * 1000 * pause);
}

async function refresh(part) {
  if (!document.hidden) {
    try {
      const response = await fetch(part.dataset.live, { credentials: "same-origin", headers: { Accept: "text/html" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.headers.get("X-Kaona") !== "1" || !response.ok) throw new Error(String(response.status));
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const fresh of page.querySelectorAll("[data-live-part]")) {
        const old = document.querySelector(`[data-live-part="${fresh.dataset.livePart}"]`);
        if (old) become(old, fresh);
      }
      pause = 1;
    } catch {
      pause = Math.min(pause * 2, 8);
    }
  }
  later(part);
}

// Makes an element say what another one says; what is the same stays the same element, and rows that bear an id follow it.
function become(old, fresh) {
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? old.querySelector(`:scope > #${CSS.escape(wanted.id)}`) : place && !place.id && alike(place, wanted) ? place : null;
    if (!known) old.insertBefore(document.adoptNode(wanted), place);
    else {
      if (known !== place) move(known, old, place);
      else place = place.nextSibling;
      if (known.nodeType === Node.ELEMENT_NODE) become(known, wanted);
      else if (known.data !== wanted.data) known.data = wanted.data;
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function move(node, parent, place) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(node, place);
  focused?.focus({ preventScroll: true });
}

for (const part of document.querySelectorAll("[data-live]")) later(part);
