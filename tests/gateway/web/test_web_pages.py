"""The page at / as plain files: all that it needs is served from here, and its policy allows nothing else."""

import re

from gateway.web import pages

STATIC = pages.STATIC
HOME = (STATIC / "home.html").read_text()


def test_every_file_that_the_page_and_its_scripts_name_is_served() -> None:
    named = set(re.findall(r'(?:src|href)="/static/([^"]+)"', HOME))
    waiting = [name for name in named if name.endswith(".js")]
    while waiting:
        found = set(re.findall(r'from "\./([^"]+)"', (STATIC / waiting.pop()).read_text())) - named
        named |= found
        waiting += found
    assert named == set(pages.HOME_FILES) | {"icon.svg"}
    assert all((STATIC / name).is_file() for name in pages.STATIC_FILES)


def test_scripts_find_every_element_that_they_ask_for() -> None:
    ids = set(re.findall(r'id="([^"]+)"', HOME))
    asked = {one for name in pages.HOME_FILES for one in re.findall(r'byId\("([^"]+)"\)', (STATIC / name).read_text())}
    assert asked
    assert asked - ids == set()


def test_the_page_has_no_inline_script_or_style_so_that_its_policy_can_be_strict() -> None:
    assert "unsafe-inline" not in " ".join(pages.POLICY.values())
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", HOME)


def test_pages_refer_to_no_other_origin() -> None:
    for name in ("home.html", *pages.HOME_FILES):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, name


def test_screen_readers_and_reduced_motion_are_supported() -> None:
    css = (STATIC / "home.css").read_text()
    assert 'lang="en"' in HOME
    assert HOME.count("<h1>") == 1
    assert "prefers-reduced-motion: reduce" in css
    assert "prefers-color-scheme: dark" in css
    for section in re.findall(r"<section[^>]*>", HOME):
        labelled = re.search(r'aria-labelledby="([^"]+)"', section)
        assert labelled, section
        assert f'id="{labelled[1]}"' in HOME
