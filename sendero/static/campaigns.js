// Keeps the progress of a campaign current; without it the page shows how things stood when it was opened.

const live = document.querySelector("[data-live]");
const EVERY = 2000;

async function look() {
  if (document.hidden) return true;
  const answer = await fetch(live.dataset.live, { redirect: "error" });
  if (!answer.ok) return false;
  const { version, value, max, texts } = await answer.json();
  // Somebody decided something: what can be done changed with it.
  if (String(version) !== live.dataset.version) {
    location.replace(location.pathname);
    return false;
  }
  Object.assign(live.querySelector("progress"), { value, max });
  for (const part of live.querySelectorAll("[data-text]")) {
    const text = texts[part.dataset.text];
    if (part.textContent !== text) part.textContent = text;
  }
  return true;
}

async function keep() {
  // A server that cannot be reached for a moment is asked again.
  const on = await look().catch(() => true);
  if (on) setTimeout(keep, EVERY);
}

if (live) setTimeout(keep, EVERY);
