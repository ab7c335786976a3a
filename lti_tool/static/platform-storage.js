// Where the browser keeps no cookie for us in the platform's page, the platform keeps one value: put there at login, asked for at launch
// (1EdTech LTI client side postMessages and platform storage 1.0). Only the frame that the login named is asked, only its origin is believed.
// Whatever fails leads the same way on as the page's own button.
const WAIT_MS = 2000;
const AGAIN_MS = 400;
const { origin, target, key, value, next } = document.querySelector("[data-storage]").dataset;

if (value) {
  const kept = await ask({ subject: "lti.put_data", key, value });
  location.replace(kept ? next : document.querySelector("[data-storage] a").href);
} else {
  const form = document.querySelector("[data-storage] form");
  const found = await ask({ subject: "lti.get_data", key });
  form.elements.stored.value = typeof found?.value === "string" ? found.value : "";
  form.submit();
}

// The platform's answer to one message; null when it refuses, or says nothing in time. Asked again meanwhile: its frame may load after ours.
function ask(message) {
  const message_id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const send = () => keeper()?.postMessage({ ...message, message_id }, origin);
  return new Promise((resolve) => {
    const again = setInterval(send, AGAIN_MS);
    const end = (answer) => {
      clearInterval(again);
      resolve(answer);
    };
    addEventListener("message", (event) => {
      const answer = event.data;
      if (event.origin !== origin || answer === null || typeof answer !== "object") return;
      if (answer.subject !== `${message.subject}.response` || answer.message_id !== message_id) return;
      end(answer.error ? null : answer);
    });
    setTimeout(end, WAIT_MS, null);
    send();
  });
}

// The window of the platform that keeps values: the one around this frame, or a frame in it; null when there is none.
function keeper() {
  const around = window.parent !== window ? window.parent : window.opener;
  if (!around || target === "_parent") return around;
  try {
    return around.frames[target] ?? null;
  } catch {
    return null;
  }
}
