// The term that is being typed: where it is in the text, what to ask about it, and the text once it is completed.

export interface Typed {
  /** Where the term begins and ends in the text. */
  start: number;
  end: number;
  /** What stays of it before what is completed: nothing, or a field with values and a comma. */
  kept: string;
  /** What is to be completed. */
  asked: string;
}

/** The term at a place of a text; quotes keep spaces in it. */
export function termAt(text: string, caret: number): Typed {
  let start = 0;
  let quoted = false;
  for (let at = 0; at < caret; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    else if (!quoted && /\s/.test(text[at] as string)) start = at + 1;
  }
  let end = caret;
  for (; end < text.length && (quoted || !/\s/.test(text[end] as string)); end += 1) {
    if (text[end] === '"') quoted = !quoted;
  }
  const typed = text.slice(start, caret);
  const list = /^(-?[a-z]+:)((?:"[^"]*"|[^",])+,)+/i.exec(typed);
  if (!list) return { start, end, kept: "", asked: typed };
  return { start, end, kept: list[0], asked: `${list[1]}${typed.slice(list[0].length)}` };
}

/** The text with a term in the place of what was typed, and where the caret belongs. */
export function complete(text: string, { start, end, kept }: Typed, term: string): { text: string; caret: number } {
  const whole = kept ? kept + term.slice(term.indexOf(":") + 1) : term;
  return { text: text.slice(0, start) + whole + text.slice(end), caret: start + whole.length };
}

/** The text without the term that is being typed: what its values are counted in. */
export function around(text: string, { start, end }: Typed): string {
  return `${text.slice(0, start)} ${text.slice(end)}`.replace(/\s+/g, " ").trim();
}
