#!/usr/bin/env python3
"""Take a picture of a section of a report page, as the README shows it.

Reads   REPORT, a report.html, in the system's Chromium.
Writes  PICTURE, a PNG of 256 colours.

Example
    . ./path.sh
    tests/screenshot.py --section gates exp/mini/report.html docs/report.png
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", default="results", help="its name in the page's address (default: results)")
    parser.add_argument("--width", type=int, default=1100, help="of the window, pixels (default: 1100)")
    parser.add_argument("--height", type=int, default=560, help="of the picture at most (default: 560)")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": args.width, "height": args.height}, color_scheme=args.scheme)
        page.goto(args.report.resolve().as_uri())
        box = page.locator(f"#{args.section}").bounding_box()
        clip = {"x": 0, "y": box["y"] + 6, "width": args.width, "height": min(args.height, box["height"] - 6)}
        taken = page.screenshot(full_page=True, clip=clip)
        browser.close()
    Image.open(io.BytesIO(taken)).convert("P", palette=Image.Palette.ADAPTIVE).save(args.picture, optimize=True)


if __name__ == "__main__":
    main()
