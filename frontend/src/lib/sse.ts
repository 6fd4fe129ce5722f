// Server-sent events (HTML Standard, 9.2) from a body that `fetch` reads, so that the token can travel in a header.

export interface Message {
  event: string;
  data: string;
}

/** Cuts text that comes in pieces into messages. A message without data is a sign of life: null. */
export class Cutter {
  #rest = "";

  push(text: string): (Message | null)[] {
    const parts = (this.#rest + text).split(/\r\n\r\n|\n\n|\r\r/);
    this.#rest = parts.pop() as string;
    return parts.map(read);
  }
}

function read(block: string): Message | null {
  const data: string[] = [];
  let event = "message";
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
  }
  return data.length ? { event, data: data.join("\n") } : null;
}

/** The messages of a body, until it ends or is aborted. */
export async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<Message | null> {
  const cutter = new Cutter();
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield* cutter.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
