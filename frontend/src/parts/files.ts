// Handing a file to the reader.

/** Save a text that is here already. */
export function save(filename: string, text: string): void {
  const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  download(href, filename);
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** Navigate to a file. */
export function download(href: string, filename: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = filename;
  link.rel = "noopener";
  document.body.append(link);
  link.click();
  link.remove();
}
