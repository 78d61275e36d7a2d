"""Makes `docs/demo.png` again: a card, the press on it, and the agent that goes on. `make pictures`.

The marks of outcomes need a colour emoji font on the machine (Debian: fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from adapters.cli.demo import open_demo
from adapters.logs import configure_logs
from tests.servers.browser import open_browser

PICTURE = Path(__file__).parents[1] / "docs/demo.png"
MOST_BYTES = 200_000
SCALE = 1.0  #: dots for a pixel

#: The pieces side by side, each with what happens in it.
SHEET = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #fff; color: #1d1c1a; }}
main {{ display: flex; gap: 20px; align-items: flex-start; width: max-content; padding: 16px; }}
figure {{ margin: 0; }}
figcaption {{ margin: 0 0 8px 2px; font: 600 15px/1.4 system-ui, "Liberation Sans", sans-serif; }}
img {{ display: block; border: 1px solid #d9d6cf; border-radius: 10px; }}
.column {{ display: grid; gap: 20px; }}
</style><main>{asked}<div class="column">{answered}{agent}</div></main>"""


def figure(caption: str, picture: bytes) -> str:
    """A piece with its caption, dot for dot: scaled text is neither crisp nor small in bytes."""
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = f'<img style="zoom: {1 / SCALE:g}" src="{source}" alt="">'
    return f"<figure><figcaption>{caption}</figcaption>{image}</figure>"


async def pieces(page: Page) -> str:
    """Plays one request on the page; the sheet with its three pictures."""
    await page.get_by_role("button", name="Start Mail agent").click()
    card = page.locator("#messages > li.message").last
    approve = card.get_by_role("button", name=re.compile("^Approve"))
    await expect(approve).to_be_visible(timeout=20_000)
    await approve.hover()
    asked = await card.screenshot()
    await approve.click()
    run = page.locator("#runs > li").first
    await expect(run).to_contain_text("finished", timeout=20_000)
    await expect(card).to_contain_text("Ann Albers")
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    answered, agent = await card.screenshot(), await run.screenshot()
    return SHEET.format(
        asked=figure("1 · An agent asks. The card is in your chat.", asked),
        answered=figure("2 · Ann presses Approve.", answered),
        agent=figure("3 · The agent goes on.", agent),
    )


async def drawn(browser: Browser, sheet: str) -> bytes:
    """The sheet as one picture."""
    page = await browser.new_page(viewport={"width": 1200, "height": 400}, device_scale_factor=SCALE)
    await page.set_content(sheet)
    return await page.locator("main").screenshot()


async def main() -> None:
    """Writes the picture. Raises ValueError where it is too large for a README."""
    configure_logs("json", level=logging.CRITICAL)
    async with open_browser() as browser, open_demo(port=0) as sandbox:
        page = await browser.new_page(
            viewport={"width": 1160, "height": 1000}, device_scale_factor=SCALE, color_scheme="light"
        )
        await page.goto(sandbox.url)
        picture = await drawn(browser, await pieces(page))
    if len(picture) > MOST_BYTES:
        raise ValueError(f"{PICTURE.name} would have {len(picture)} bytes, more than {MOST_BYTES}")
    PICTURE.write_bytes(picture)


if __name__ == "__main__":
    asyncio.run(main())
