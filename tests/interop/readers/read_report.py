"""Opens a report in Chromium as people do, and prints what is wrong with it, as JSON.

Usage: read_report.py INDEX SCREENSHOTS

Follows every link to a page, at the width of a screen and of a phone, in light and in dark; has
axe-core look at each kind of page; searches, and uses what can be switched.
"""

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from playwright.sync_api import Browser, Page, sync_playwright

INDEX, SHOTS = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
SCREEN, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
SERIOUS = {"serious", "critical"}
LINKS = "[...document.querySelectorAll('a[href]')].map(each => each.href)"
SHIFTS = """new Promise(resolve => {
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(each => sum += each.value))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve(sum), 300);
})"""
found: dict[str, Any] = {"problems": [], "requests": [], "axe": [], "wide": [], "visited": 0}


def opened(browser: Browser, scheme: str, size: dict[str, int]) -> Page:
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.on("console", lambda said: found["problems"].append(f"console: {said.text}"))
    page.on("pageerror", lambda error: found["problems"].append(f"error: {error}"))
    page.on("requestfailed", lambda asked: found["problems"].append(f"failed: {asked.url}"))
    page.on("request", lambda asked: found["requests"].append(asked.url))
    page.on("dialog", lambda dialog: found["problems"].append(f"dialog: {dialog.message}"))
    return page


def check_axe(page: Page, where: str) -> None:
    page.evaluate(AXE)
    for violation in page.evaluate("axe.run({preload: false})")["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = [node["html"][:200] for node in violation["nodes"][:3]]
            found["axe"].append([where, violation["id"], nodes])


def check_width(page: Page, where: str) -> None:
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    if widths[0] > widths[1]:
        found["wide"].append([where, *widths])


with sync_playwright() as playwright:
    arguments = ["--headless=new", "--no-sandbox"]
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
    page = opened(browser, "light", SCREEN)
    pending, seen = [INDEX.as_uri()], set[str]()
    kinds = dict[str, str]()
    page.set_default_timeout(60_000)
    while pending:
        address = pending.pop(0)
        seen.add(address)
        page.goto(address)
        found["visited"] += 1
        # One page of a class stands for all others where it takes long.
        kinds.setdefault(Path(address).parent.name, address)
        for link in page.evaluate(LINKS):
            plain = urldefrag(link).url
            if plain.endswith(".html") and plain not in seen and plain not in pending:
                pending.append(plain)
            elif (
                plain.startswith("file:")
                and not Path(page.evaluate("decodeURI", plain)[7:]).exists()
            ):
                found["problems"].append(f"no such file: {plain}")
    kinds["run"] = (INDEX.parent / "run.html").as_uri()
    if (duplicates := INDEX.parent / "duplicates.html").exists():
        kinds["duplicates"] = duplicates.as_uri()
    found["kinds"] = sorted(kinds)
    for scheme, size in (("light", SCREEN), ("dark", SCREEN), ("light", PHONE)):
        looking = opened(browser, scheme, size)
        for name, address in kinds.items():
            looking.goto(address)
            check_width(looking, f"{name} {size['width']}")
            shift = looking.evaluate(SHIFTS)
            if shift > 0.02:
                found["problems"].append(f"layout shift of {shift:.3f} on {name}")
            looking.screenshot(path=SHOTS / f"{name}-{scheme}-{size['width']}.png", full_page=True)
            check_axe(looking, f"{name} {scheme} {size['width']}")
    page.goto(INDEX.as_uri())
    first = page.locator("#cards li").first
    word = first.locator(".id").inner_text().split()[0]
    page.fill("#query", word)
    page.wait_for_function("window.shardmillKeys !== undefined")
    found["cards"] = page.locator("#cards li:visible").count()
    key = page.evaluate("window.shardmillKeys.images[0][0]")
    page.fill("#query", key)
    page.wait_for_selector("#hits a")
    page.locator("#hits a").first.click()
    page.wait_for_selector(".cell:target")
    found["target"] = page.locator(".cell:target .key").inner_text()
    found["key"] = key
    boxes = page.locator("[data-show=boxes]")
    if boxes.count():
        before = page.locator(".boxes:visible").count()
        boxes.uncheck()
        found["boxes"] = [before, page.locator(".boxes:visible").count()]
    page.goto(INDEX.as_uri())
    # What lies above is only laid out once it is near the window, and moves the plot then.
    plot = page.locator(".plot").nth(1)
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    plot.locator("rect").first.hover()
    found["readout"] = plot.locator(".readout").inner_text()
    page.locator(".bars").nth(1).focus()
    page.keyboard.press("ArrowRight")
    found["readout by keys"] = plot.locator(".readout").inner_text()
    heights = "[...document.querySelectorAll('.bars rect')].map(bar => bar.getAttribute('height'))"
    before = page.evaluate(heights)
    page.check("#log")
    found["log"] = before != page.evaluate(heights)
    browser.close()
found["requests"] = sorted({asked.partition(":")[0] for asked in found["requests"]})
json.dump(found, sys.stdout)
