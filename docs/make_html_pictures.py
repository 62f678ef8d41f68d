"""Makes the pictures of the HTML player: `python docs/make_html_pictures.py`, half a minute.

images/html_player.png         a page that `play --record_file x.html` wrote
images/html_player_phone.png   the same on a phone, dark

Needs Chromium, and playwright (of the extra `dev`) to drive it.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

IMAGES = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Train a pole for a short while, record episodes, and take pictures of their page."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "balance.html"
        job = ["--root_dir", str(Path(folder) / "cart_pole")]
        conf = ["--conf", "alf/examples/tutorial/ac_render_conf.py"]
        settings = ["random_seed=0", "num_iterations=150"]
        run("train", *job, *conf, *[f"--conf_param=TrainerConfig.{one}" for one in settings])
        wanted = ["--num_episodes=12", "--random_seed=3"]
        run("play", *job, *wanted, "--record_file", str(page))
        take_pictures(page)


def run(command: str, *arguments: str) -> None:
    """Run a command of ours from the checkout; its failure ends this script."""
    root = Path(__file__).resolve().parent.parent
    subprocess.run([sys.executable, "-m", f"alf.bin.{command}", *arguments], check=True, cwd=root)


def take_pictures(page: Path) -> None:
    """Open the page in a browser without network, and save what is seen of an episode."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        take(browser, page, "html_player", 1440, 900, "light")
        take(browser, page, "html_player_phone", 390, 844, "dark")
        browser.close()


def take(browser: Any, page: Path, name: str, width: int, height: int, theme: str) -> None:
    """Save one picture, in few colours."""
    size = {"width": width, "height": height}
    tab = browser.new_page(viewport=size, color_scheme=theme, offline=True)
    tab.goto(page.as_uri())
    tab.locator("body[data-step]").wait_for(state="attached")
    tab.click("[data-column='return']")  # the shortest episode first
    tab.locator("tbody tr").first.click()
    number = tab.locator("tbody tr").first.get_attribute("data-number")
    tab.locator(f"body[data-episode='{number}']").wait_for(state="attached")
    tab.keyboard.press("e")
    tab.locator("#events .current").first.wait_for(state="attached")
    tab.evaluate("scrollTo(0, 0)")
    target = IMAGES / f"{name}.png"
    tab.screenshot(path=str(target))
    Image.open(target).convert("RGB").quantize(255).save(target, optimize=True)
    tab.close()


if __name__ == "__main__":
    main()
