// What the pages do beyond forms and links; everything works without it.

// Filters act as soon as they are chosen.
for (const form of document.querySelectorAll("form[data-auto]"))
  for (const select of form.querySelectorAll("select")) select.addEventListener("change", () => form.requestSubmit());

// "/" goes to the search field, except while something is being typed.
const search = document.querySelector("[data-search]");
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !search) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// A form that is being sent cannot be sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.again !== undefined) return; // a file leaves the page as it is
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Fields that only one choice of a list needs are there with it, and are not sent without it.
for (const part of document.querySelectorAll("[data-when]")) {
  const list = part.closest("form").elements[part.dataset.when];
  const needed = part.dataset.is.split(" ");
  const turn = () => {
    part.hidden = !needed.includes(list.value);
    for (const field of part.querySelectorAll("input, textarea")) field.disabled = part.hidden;
  };
  list.addEventListener("change", turn);
  turn();
}

// The preview of a template follows what is typed, with the examples in place of the variables.
const template = document.querySelector("form[data-template]");
if (template) {
  const show = () => {
    const samples = template.elements.samples.value.split("\n");
    for (const part of document.querySelectorAll("[data-preview]")) {
      const field = template.elements[part.dataset.preview];
      part.textContent = (field.disabled ? "" : field.value).replace(
        /\{\{(\d+)\}\}/g,
        (whole, number) => samples[number - 1]?.trim() || whole,
      );
    }
    const { header_file: file, header_format: format } = template.elements;
    for (const part of document.querySelectorAll("[data-kind]")) {
      part.hidden = part.dataset.kind !== format.value;
      if (part.dataset.kind !== "location")
        part.lastElementChild.textContent =
          file.files[0]?.name || file.dataset.file || format.selectedOptions[0].textContent;
    }
  };
  template.addEventListener("input", show);
  show();
}

// An import says how far it is, until it is done.
const running = document.querySelector("[data-progress]");
if (running) {
  const look = async () => {
    const answer = await fetch(running.dataset.progress).catch(() => null);
    if (!answer?.ok) return;
    const { status, rows, total } = await answer.json();
    if (status !== "running") return location.reload();
    running.querySelector("progress").value = rows;
    running.querySelector("[data-rows]").textContent = rows.toLocaleString(document.documentElement.lang);
  };
  setInterval(look, 1000);
}
