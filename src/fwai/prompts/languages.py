"""Finds the language code of an agent among those that the model knows. No I/O."""

from collections.abc import Mapping

from fwai.domain.near_miss import nearest


def find_language(written: str, known: Mapping[str, str]) -> tuple[str, str]:
    """Return the code that was meant, or what is wrong and the fix.

    Case and the sign between the parts do not matter, and a language alone will do where the model
    knows one region of it.

    Args:
        written: As it stands in the file.
        known: English names by code; none at all takes whatever is written.

    Returns:
        The code and an empty text, or what was written and the problem.
    """
    tag = written.strip().replace("_", "-").casefold()
    if not known or not tag:
        return written, ""
    same = [code for code in known if code.casefold() == tag]
    alike = [code for code in known if code.partition("-")[0] == tag.partition("-")[0]]
    if not same and "-" not in tag and len(alike) == 1:
        same = alike
    if same:
        return same[0], ""
    named = [code for code, name in known.items() if name.casefold() == tag]
    if not named and (name := nearest(tag, known.values())):
        named = [code for code, one in known.items() if one == name]
    near = named or alike
    hint = (
        f"write {' or '.join(near)}"
        if near
        else "leave it out and name the language in the prompt, or use one of " + ", ".join(known)
    )
    return written, f"the model knows no language {written[:40]!r}; {hint}"
