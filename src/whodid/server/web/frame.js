// For pages that show the viewer in an iframe: hands tokens to the frame, and to nobody else, and gives it its height.

/**
 * @param {HTMLIFrameElement} frame whose address is that of `/embed`
 * @param {{ getToken: () => Promise<string>, maxHeight?: number, on?: (name: string, detail: object) => void }} how
 *   `getToken` asks your own back end; `on` hears of `state`, `open-resource`, `open-log` and `error`
 * @returns {() => void} ends the conversation
 */
export function connect(frame, { getToken, maxHeight = 900, on = () => {} }) {
  const { origin } = new URL(frame.src);

  const hear = async (event) => {
    if (event.source !== frame.contentWindow || event.origin !== origin) return;
    const { whodid, ...detail } = event.data ?? {};
    if (whodid === "token-wanted") {
      const token = await getToken();
      frame.contentWindow?.postMessage({ whodid: "token", token }, origin);
    } else if (whodid === "height") frame.style.height = `${Math.min(maxHeight, Math.ceil(detail.height))}px`;
    else if (typeof whodid === "string") on(whodid, detail);
  };

  window.addEventListener("message", hear);
  return () => window.removeEventListener("message", hear);
}
