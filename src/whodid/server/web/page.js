// The page around the viewer, or around the alerts: exchanges a sign-in link for a session and fetches viewer tokens.
// Nothing of what it handles is kept: the code leaves the address bar before anything else happens.

const viewer = document.querySelector("audit-log-viewer, audit-log-alerts");
const notice = document.querySelector("[data-notice]");
const base = viewer.getAttribute("api");
const tokens = viewer.dataset.tokens;

function say(text) {
  notice.textContent = text;
  notice.hidden = false;
}

async function problemOf(answer) {
  try {
    const { detail, remedy } = await answer.json();
    return [detail, remedy].filter(Boolean).join(" ");
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

async function signIn() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  const answer = await fetch(`${base}/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (!answer.ok) say(await problemOf(answer));
}

// The viewer speaks the language of the page; the page speaks the reader's, where there is a catalogue for it.
document.documentElement.lang = navigator.languages.find((one) => /^(en|es|pt|hi|ar)\b/.test(one)) ?? "en";

const signedIn = signIn().catch((error) => say(error.message));

async function askForToken() {
  await signedIn;
  const answer = await fetch(tokens, { method: "POST" });
  if (!answer.ok) throw new Error(await problemOf(answer));
  return answer.text();
}

if (tokens !== undefined) {
  // The first token is on its way while the code of the viewer still is.
  let first = askForToken();
  first.catch(() => undefined);
  const getToken = () => {
    const asked = first ?? askForToken();
    first = undefined;
    return asked;
  };
  // Set before the element is defined, the property would hide the one that the element has.
  customElements.whenDefined(viewer.localName).then(() => {
    viewer.getToken = getToken;
  });
}
