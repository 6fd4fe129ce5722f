// The page inside an iframe: the viewer, and a conversation with the page around it.
// The token comes by message, from an origin that the server allows and from nobody but the page around; it is never in
// an address and never kept. What is said before that page is known holds nothing but the wish for a token.

const viewer = document.querySelector("audit-log-viewer");
const allowed = document.body.dataset.origins.split(" ").filter(Boolean);
const EVENTS = ["state", "open-resource", "open-log", "error", "height", "ready"];
const ATTRIBUTES = ["locale", "theme", "zone", "view", "resource", "open-types", "docs", "alerts", "reviews"];
/** Attributes that are addresses of pages. */
const PAGES = ["docs", "alerts", "reviews"];
const AGAIN = 400;
const PATIENCE = 15_000;

/** Origin of the page around, once it has shown itself. */
let host = "";
/** Whoever waits for a token. */
let waiting = [];

function tell(whodid, detail = {}) {
  window.parent.postMessage({ whodid, ...detail }, host);
}

function dress(settings) {
  for (const name of ATTRIBUTES) {
    if (typeof settings[name] === "string" && (!PAGES.includes(name) || isPage(settings[name]))) viewer.setAttribute(name, settings[name]);
  }
}

function isPage(address) {
  return URL.canParse(address, location.href) && /^https?:$/.test(new URL(address, location.href).protocol);
}

/** The origin that a token names; what it says beyond that is the server's to judge. */
function originOf(token) {
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(claims)).origin;
  } catch {
    return undefined;
  }
}

function take(token) {
  const named = originOf(token);
  const answer = named === undefined || named === host ? (one) => one.resolve(token) : (one) => one.reject(new Error("This token is for a page of another origin."));
  waiting.splice(0).forEach(answer);
}

function getToken() {
  if (!waiting.length) {
    // The page around may not listen yet: ask until it answers. The wish itself is no secret.
    const ask = () => window.parent.postMessage({ whodid: "token-wanted" }, host || "*");
    const asking = setInterval(() => (waiting.length ? ask() : clearInterval(asking)), AGAIN);
    ask();
    setTimeout(() => waiting.splice(0).forEach((one) => one.reject(new Error("The page around did not hand over a token."))), PATIENCE);
  }
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

window.addEventListener("message", (event) => {
  if (event.source !== window.parent || !allowed.includes(event.origin) || (host && event.origin !== host)) return;
  const { whodid, token, query, settings } = event.data ?? {};
  if (whodid === "token" && typeof token === "string") {
    host = event.origin;
    take(token);
  } else if (whodid === "restore" && typeof query === "string") viewer.restore(query);
  else if (whodid === "settings" && settings && typeof settings === "object") dress(settings);
});

const asked = new URLSearchParams(location.search);
dress(Object.fromEntries(asked));
for (const name of ATTRIBUTES) asked.delete(name);
document.documentElement.lang = viewer.getAttribute("locale") ?? navigator.language;

for (const name of EVENTS) viewer.addEventListener(`alv-${name}`, ({ detail }) => host && tell(name, detail ?? {}));

if (window.parent !== window) {
  customElements.whenDefined("audit-log-viewer").then(() => {
    viewer.restore(asked.toString());
    viewer.getToken = getToken;
  });
}
