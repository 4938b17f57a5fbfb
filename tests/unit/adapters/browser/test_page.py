"""What the page shows before anybody is let in, read from its files: a browser is no unit."""

import re
from importlib.resources import files

PAGE = files("fwai.adapters.browser") / "page"
HTML = (PAGE / "talk.html").read_text("utf-8")
CSS = (PAGE / "talk.css").read_text("utf-8")
SCRIPT = (PAGE / "talk.js").read_text("utf-8")


def test_nothing_that_cannot_work_is_shown_before_sign_in() -> None:
    assert 'data-access="asked"' in HTML
    hidden = re.findall(r'main:not\(\[data-access="open"\]\) ([^{]*)\{ display: none; \}', CSS)
    assert ".stage" in " ".join(hidden), "where the Call button is"
    opened = [line.strip() for line in SCRIPT.splitlines() if 'access = "open"' in line]
    assert len(opened) == 2, "after the session was proven, and where that is not known"


def test_it_says_in_one_sentence_where_the_voice_goes() -> None:
    (hint,) = re.findall(r'<p id="hint">(.*?)</p>', HTML)
    assert hint == "What you say goes through this server to Google's Gemini, which answers you."
    assert '$("hint").hidden = scripted' in SCRIPT
