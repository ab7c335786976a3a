// Tells the platform's page how tall this page is, for those that listen; never needed: the page scrolls by itself.
const origin = document.body.dataset.platformOrigin;

if (origin && window.parent !== window) {
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    const message = { subject: "lti.frameResize", height };
    window.parent.postMessage(message, origin);
    window.parent.postMessage(JSON.stringify(message), origin);
  }).observe(document.documentElement);
}
