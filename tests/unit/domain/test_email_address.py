import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.email_address import address


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("asha@example.com", "asha@example.com"),
        ("  Asha@Example.COM ", "asha@example.com"),
        ("asha@example.com.", "asha@example.com"),
        ("asha at example dot com", "asha@example.com"),
        ("Asha dot K at example dot co dot in", "asha.k@example.co.in"),
        ("asha at the rate example dot com", "asha@example.com"),
        ("asha at the rate of example dot com", "asha@example.com"),
        ("asha @ example . com", "asha@example.com"),
        ("a s h a 9 9 at example dot com", "asha99@example.com"),
        ("asha underscore k at my dash shop dot example dot com", "asha_k@my-shop.example.com"),
        ("asha plus news at example dot com", "asha+news@example.com"),
        ("at the rate at example dot com", None),
        ("o'brien@example.com", "o'brien@example.com"),
        ("asha@bücher.example", "asha@xn--bcher-kva.example"),
        ("asha@उदाहरण.भारत", "asha@xn--p1b6ci4b4b3a.xn--h2brj9c"),
    ],
)
def test_what_people_say_becomes_an_address(said: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(ValueError, match="more than one @"):
            address(said)
    else:
        assert address(said) == meant


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "no @"),
        ("asha", "no @"),
        ("cat dot example dot com", "no @"),
        ("asha@x@example.com", "more than one @"),
        ("asha@example.com, ravi@example.com", "one bare"),
        ("Asha <asha@example.com>", "one bare"),
        ('"asha k"@example.com', "one bare"),
        ("mailto:asha@example.com", "one bare"),
        ("asha kumar at example dot com", "spell it"),
        ("आशा@example.com", "spell it"),
        (".asha@example.com", "spell it"),
        ("asha.@example.com", "spell it"),
        ("as..ha@example.com", "spell it"),
        ("-f@example.com", "spell it"),
        ("asha%example.org@example.com", "spell it"),
        ("example.org!asha@example.com", "spell it"),
        ("@example.com", "spell it"),
        (f"{'a' * 65}@example.com", "spell it"),
        ("asha@example", "after the @"),
        ("asha@example.com:25", "after the @"),
        ("asha@[127.0.0.1]", "after the @"),
        ("asha@127.0.0.1", "after the @"),
        ("asha@-example.com", "after the @"),
        ("asha@example..com", "after the @"),
        ("asha@exam ple.com", "after the @"),
        (f"asha@{'a' * 64}.com", "after the @"),
        (f"asha@{'ü' * 70}.com", "after the @"),
        (f"asha@{'a.' * 200}com", "too long"),
        ("asha@example.com\r\nBcc: x@example.com", "one line"),
        ("asha@example.com\n", "one line"),
        ("asha\x00@example.com", "one line"),
        ("a" * 2000, "too long"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_ask(said: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        address(said)

    assert len(said) < 4 or said not in str(refused.value)


@given(st.text(max_size=60) | st.from_regex(r"[a-z .@_+-]{0,30}@[a-z. -]{0,30}", fullmatch=True))
def test_whatever_comes_out_is_one_plain_address_and_stays_itself(said: str) -> None:
    try:
        result = address(said)
    except ValueError:
        return

    assert result.isascii()
    assert result.count("@") == 1
    assert not set(result) & set(' \r\n\t,;<>"()[]\\')
    assert address(result) == result
