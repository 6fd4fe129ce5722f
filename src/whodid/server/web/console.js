// The console works without scripts, but for two things: exchanging a sign-in link, whose code no server may see in an
// address, and copying a key.

const base = document.body.dataset.base;
const notice = document.querySelector("[data-notice]");

function say(text) {
  notice.textContent = text;
  notice.hidden = false;
}

async function signIn() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await fetch(`${base}/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (answer.ok) return location.replace(`${base}/console`);
  const { detail, remedy } = await answer.json();
  if (notice) say(`${detail} ${remedy}`);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    field.focus();
    // Where the page is not served by https there is no clipboard to write to: what is selected can be copied by hand.
    if (!navigator.clipboard) return;
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.done;
  });
}

signIn();
