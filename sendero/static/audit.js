// Lets the viewer, or the page of alerts or of reviews, in, and brings the reader from an entry to the thing it is about.

const viewer = document.querySelector("audit-log-viewer, audit-log-alerts, audit-log-reviews");

viewer.getToken = async () => {
  const answer = await fetch("/audit-token", { method: "POST", redirect: "error" });
  if (!answer.ok) throw new Error(`The token was refused (${answer.status}).`);
  return answer.text();
};

viewer.addEventListener("alv-open-resource", ({ detail: { type, id } }) => {
  location.assign(`/go/${encodeURIComponent(type)}/${encodeURIComponent(id)}`);
});

viewer.addEventListener("alv-error", ({ detail: { ended } }) => {
  if (ended) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
});

// The page of alerts says how many are open, and that of reviews whether one is overdue; the navigation shows it.
const beside = (page) => document.querySelector(`.nav[href="${page}"] .many`);
viewer.addEventListener("alv-alerts", ({ detail: { open } }) => {
  const shown = beside("/settings/alerts");
  if (!shown) return;
  shown.firstChild.textContent = open;
  shown.hidden = open === 0;
});
viewer.addEventListener("alv-reviews", ({ detail: { overdue } }) => {
  const shown = beside("/settings/reviews");
  if (shown) shown.hidden = !overdue;
});
