// Handing a file to the reader.

/** Save what is here already; a text is JSON. */
export function save(filename: string, content: string | Blob): void {
  const href = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type: "application/json" }) : content);
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
