// Platform storage and frame size as other platforms offer them (1EdTech: client-side postMessages, platform storage).
// Moodle answers none of this: the script is only there where a switch puts it.
const settings = document.currentScript.dataset;
const MAX_ENTRIES = 500;
const MAX_CHARACTERS = 4096;
const kept = new Map();

function key(origin, name) {
  return JSON.stringify([origin, name]);
}

function put(origin, message) {
  if (typeof message.key !== "string" || (message.value !== null && typeof message.value !== "string")) return "bad_request";
  if (message.key.length + (message.value ?? "").length > MAX_CHARACTERS || kept.size >= MAX_ENTRIES) return "storage_exhaustion";
  if (message.value === null) kept.delete(key(origin, message.key));
  else kept.set(key(origin, message.key), message.value);
  return "";
}

function resize(message, source) {
  const frame = [...document.querySelectorAll("iframe")].find((each) => each.contentWindow === source);
  if (frame && Number.isFinite(message.height) && message.height > 0) frame.style.height = `${Math.round(message.height)}px`;
}

function capabilities() {
  const frame = settings.frame;
  const stored = frame ? ["lti.put_data", "lti.get_data"].map((subject) => ({ subject, frame })) : [];
  return [{ subject: "lti.capabilities" }, ...stored, ...(settings.resizes ? [{ subject: "lti.frameResize" }] : [])];
}

function readMessage(data) {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function answerTo(message, origin) {
  const answer = { subject: `${message.subject}.response`, message_id: message.message_id };
  if (message.subject === "lti.capabilities") return { ...answer, supported_messages: capabilities() };
  if (!settings.storesHere || typeof message.message_id !== "string") return { ...answer, error: { code: "bad_request", message: "" } };
  if (message.subject === "lti.get_data") return { ...answer, key: message.key, value: kept.get(key(origin, message.key)) ?? null };
  const code = put(origin, message);
  return code ? { ...answer, error: { code, message: "" } } : { ...answer, key: message.key, value: message.value };
}

window.addEventListener("message", (event) => {
  const isString = typeof event.data === "string";
  const message = readMessage(event.data);
  if (!message || typeof message.subject !== "string" || !settings.origins.split(" ").includes(event.origin)) return;
  if (message.subject === "lti.frameResize" && settings.resizes) resize(message, event.source);
  else if (!isString && message.subject === "lti.capabilities") event.source.postMessage(answerTo(message, event.origin), event.origin);
  else if (!isString && ["lti.put_data", "lti.get_data"].includes(message.subject) && settings.storesHere) {
    event.source.postMessage(answerTo(message, event.origin), event.origin);
  }
});
