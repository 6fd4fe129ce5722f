"""Make the pictures of the documentation: the audit log of a workspace that was filled just now.

`python scripts/pictures.py` starts `python -m sendero` with a folder of its own, signs in, and writes docs/images. It
needs what the browser tests need: Playwright and Chromium.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, ViewportSize, expect, sync_playwright

_ROOT = Path(__file__).resolve().parent.parent
_IMAGES = _ROOT / "docs" / "images"
_LARGEST = 400 * 1024

_WIDE, _NARROW = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
_LOG = "/settings/audit-logs"
_PIXELS = """
async (text) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${text}`)).blob());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const bytes = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const parts = [];
  for (let at = 0; at < bytes.length; at += 30000) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + 30000))));
  }
  return [bitmap.width, bitmap.height, parts.join("")];
}
"""
# What the person who takes the pictures did is not part of the story.
_STORY = f"{_LOG}?q=-category:auth,audit"


def main() -> int:
    """Write every picture and return the exit status."""
    chromium = os.environ.get("WHODID_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("Chromium is missing: install it, or name it in WHODID_CHROMIUM.", file=sys.stderr)
        return 1
    _IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _workspace(Path(folder) / "data") as said, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        address, email, password = said
        cookies = _sign_in(browser, address, email, password)
        blank = browser.new_page()
        for name, query, entry, scheme, size, scale in (
            ("audit-logs", _STORY, None, "light", _WIDE, 1.75),
            ("drawer", _STORY, "merged contact", "light", _WIDE, 1.5),
            ("dark", _STORY, None, "dark", _WIDE, 1.5),
            ("mobile", _STORY, None, "light", _NARROW, 2),
        ):
            context = browser.new_context(
                base_url=address,
                storage_state=cookies,
                locale="en-GB",
                timezone_id="Europe/Madrid",
                viewport=size,
                device_scale_factor=scale,
                color_scheme="dark" if scheme == "dark" else "light",
            )
            picture = _take(context.new_page(), query, entry)
            context.close()
            _write(_IMAGES / f"{name}.png", *blank.evaluate(_PIXELS, base64.b64encode(picture).decode()))
        browser.close()
    return 0


@contextmanager
def _workspace(data: Path) -> Iterator[tuple[str, str, str]]:
    """Run the workspace; yield its address, who can sign in, and the password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "sendero", "--data", str(data), "--port", port]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            while not re.search(r"^  .* password ", said, re.MULTILINE):
                line = process.stdout.readline() if process.stdout else ""
                if not line:
                    raise SystemExit(f"The workspace did not start. {said}")
                said += line
            address, email, password = re.findall(r"http://\S+|(?<=Sign in as )\S+|(?<=the password )\S+", said)
            yield address, email, password
        finally:
            process.terminate()


def _sign_in(browser: Browser, address: str, email: str, password: str) -> StorageState:
    """Sign in and look at the log once: the first look of a day is itself an entry."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("button.main-act").click()
    expect(page.get_by_role("heading", name="Contacts")).to_be_visible()
    page.goto(_LOG)
    expect(page.locator("audit-log-viewer .row").first).to_be_visible()
    # What greets whoever is new would stand in every picture.
    page.get_by_role("button", name="No, thanks").click()
    cookies = context.storage_state()
    context.close()
    return cookies


def _take(page: Page, address: str, entry: str | None) -> bytes:
    """Take one picture, when nothing moves any more."""
    page.goto(address)
    viewer = page.locator("audit-log-viewer")
    expect(viewer.locator(".row").first).to_be_visible()
    expect(viewer.locator(".histo rect").first).to_be_visible()
    # The log is checked, and what stands out is found.
    expect(viewer.locator(".proof")).to_have_attribute("title", re.compile("Checked in this browser"))
    expect(viewer.get_by_text(re.compile("[Ww]hat stands out|Nothing stands out")).first).to_be_visible()
    if entry is not None:
        viewer.locator(".row", has_text=entry).first.locator(".hit").click(position={"x": 6, "y": 6})
        expect(viewer.locator(".drawer .prf.ok")).to_be_visible()
    page.mouse.move(0, 0)
    return page.screenshot(animations="disabled")


def _write(path: Path, width: int, height: int, text: str) -> None:
    """Write pixels as a PNG without filters: flat surfaces and letters that recur become a fifth smaller so."""
    rgba = base64.b64decode(text)
    rgb = bytearray(width * height * 3)
    for channel in range(3):
        rgb[channel::3] = rgba[channel::4]
    rows = b"".join(b"\0" + rgb[at : at + width * 3] for at in range(0, len(rgb), width * 3))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    print(f"{path.relative_to(_ROOT)}: {len(file) / 1024:.0f} KiB")
    if len(file) > _LARGEST:
        raise SystemExit(f"{path.name} is larger than {_LARGEST // 1024} KiB. Show less, or show it smaller.")
    path.write_bytes(file)


if __name__ == "__main__":
    sys.exit(main())
