"""Which URLs may be posted to, and to which address the connection goes."""

import asyncio
import socket
from collections.abc import Sequence

import httpx
import pytest

import virtual_time
from fwai.errors import ApiError
from fwai.integrations.url_guard import LOOKUP_S, MAX_ADDRESSES, UrlGuard
from tables import each_row

PUBLIC = "8.8.4.4"
PUBLIC_V6 = "2606:4700::1"
OWN = "https://n8n.example.com/webhook/own-secret"


class Dns:
    """Answers look-ups from a script, the last answer again and again."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def guard(*allowed: str, own: Sequence[str] = (), dns: Dns | None = None) -> UrlGuard:
    return UrlGuard(allowed, own, lookup=dns or Dns([PUBLIC]))


# ---- the URL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a/b?c=d%20e",
        "https://HOOKS.Example.COM/",
        "https://hooks.example.com:443/",
        "https://hooks.example.com",
        "https://other.example.com:8443/",
        "https://a.wild.example/",
        "https://a.b.wild.example/x",
        "https://n8n.example.com/webhook/another",
        "http://n8n:5678/webhook/x",
        "http://127.0.0.1:5678/webhook/x",
        "http://[::1]:5678/x",
        "https://bücher.example/x",
        "https://xn--bcher-kva.example/x",
    ],
)
def test_a_url_of_an_allowed_host_passes(url: str) -> None:
    guard(
        "hooks.example.com",
        "other.example.com:8443",
        "*.wild.example",
        "n8n:5678",
        "127.0.0.1:5678",
        "[::1]:5678",
        "BÜCHER.example",
        own=[OWN],
    ).check(url)


@each_row(
    ("url", "why"),
    [
        ("", "must begin with https://"),
        ("hooks.example.com/x", "must begin with https://"),
        ("ftp://hooks.example.com/x", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https:///x", "names no host"),
        ("https://hooks.example.com/#part", "#fragment"),
        ("https://hooks.example.com/#", "#fragment"),
        ("https://user:pw@hooks.example.com/", "user name or password"),
        ("https://hooks.example.com@evil.example/", "user name or password"),
        ("https://evil.example\\@hooks.example.com/", "backslashes"),
        ("https://hooks.example.com/a b", "blanks"),
        ("https://hooks.example.com/\r\nX: y", "blanks"),
        ("https://hooks.example.com/\x00", "control characters"),
        ("https://hooks.example.com./x", "ends with a dot"),
        ("https://hooks..example.com/x", "not a"),
        ("https://-hooks.example.com/x", "not a"),
        ("https://hooks.example.com:0/x", "port must be 1 to 65535"),
        ("https://hooks.example.com:65536/x", "port must be|not a URL"),
        ("https://hooks.example.com:x/x", "not a URL"),
        ("https://hooks.example.com:8443/x", "port 8443 of hooks.example.com is not allowed"),
        ("https://hooks.example.com:22/x", "port 22 of hooks.example.com is not allowed"),
        ("http://hooks.example.com:443/x", "port 443"),
        ("https://evil.example/x", "host evil.example is not allowed; add it to WEBHOOK_ALLOWED"),
        ("https://hooks.example.com.evil.example/", "not allowed"),
        ("https://evilhooks.example.com/", "not allowed"),
        ("https://wild.example/x", "not allowed"),
        ("https://evilwild.example/x", "not allowed"),
        ("http://a.wild.example/x", "plain http to a.wild.example is not allowed; use https"),
        ("https://127.0.0.1/x", "not allowed"),
        ("https://2130706433/x", "is a number"),
        ("https://127.1/x", "is a number|not a URL"),
        ("https://0x7f000001/x", "is a number"),
        ("https://0x7f.0.0.1/x", "is a number|not a URL"),
        ("https://[::ffff:127.0.0.1]/x", "not allowed"),
        ("https://[fe80::1%25eth0]/x", "not a|not allowed"),
        ("https://169.254.169.254/latest", "never posted to"),
        ("http://8.8.4.4/x", "plain http to 8.8.4.4 crosses the internet"),
        ("https://hooks.example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_any_other_url_is_refused_with_the_fix(url: str, why: str) -> None:
    strict = guard("hooks.example.com", "*.wild.example", "169.254.169.254", "8.8.4.4")

    with pytest.raises(ValueError, match=why):
        strict.check(url)


def test_a_refusal_tells_no_path_and_no_password() -> None:
    for url in (
        "https://u:hidden@evil.example/hidden?hidden",
        "https://evil.example/hidden?hidden",
    ):
        with pytest.raises(ValueError, match=r".") as refusal:
            guard().check(url)

        assert "hidden" not in str(refusal.value)


def test_without_settings_nothing_passes() -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        guard().check("https://hooks.example.com/")


def test_a_host_of_the_own_settings_passes_with_its_own_port_only() -> None:
    strict = guard(own=["http://n8n:5678/webhook/x"])

    strict.check("http://n8n:5678/webhook/y")
    with pytest.raises(ValueError, match="port 9200 of n8n"):
        strict.check("http://n8n:9200/")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("*", "not understood"),
        ("*.com", "too wide"),
        ("*.10.0.0.1", "too wide|not understood"),
        ("https://hooks.example.com", "not understood"),
        ("hooks.example.com/x", "not understood"),
        ("a.*.example.com", "not understood"),
        ("u@hooks.example.com", "not understood"),
        ("hooks.example.com:0", "port must be"),
        ("hooks.example.com:70000", "port must be"),
        ("", "not understood"),
        ("127.1", "not understood"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        guard("fine.example.com", entry)


def test_all_wrong_entries_are_named_at_once_and_no_secret_of_them() -> None:
    with pytest.raises(ValueError, match=r"'\*'.*webhook URL 1") as refusal:
        guard("*", own=["ftp://n8n.example.com/own-secret"])

    assert "own-secret" not in str(refusal.value)


# ---- the address ------------------------------------------------------------------------------

NEVER = [
    "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%2", "0.0.0.0",  # noqa: S104 - never bound
    "0.1.2.3", "::",
    "224.0.0.1", "239.1.1.1", "ff02::1", "255.255.255.255", "240.0.0.1", "192.0.0.192",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "192.88.99.1", "100.100.100.200",
    "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:8.8.4.4", "::127.0.0.1", "2002:7f00:1::1", "2002:808:404::1", "2001:0:53aa::1",
    "2001:db8::1", "3fff::1", "fec0::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:404", "100::1", "5f00::1", "4000::1",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.127.255.255", "::1", "fc00::1", "fd12:3456::1",
]  # fmt: skip
GOOD = [PUBLIC, PUBLIC_V6, "172.32.0.1", "100.128.0.1", "2001:4860:4860::8844", "64:ff9b::808:404"]


@pytest.mark.parametrize("address", GOOD)
@pytest.mark.parametrize("allowed", ["hooks.example.com", "*.example.com"])
async def test_a_public_address_is_connected_to(allowed: str, address: str) -> None:
    pinned = await guard(allowed, dns=Dns([address])).pin("https://hooks.example.com/a?b=c%2Fd")

    assert pinned.url.host == address
    assert pinned.url.raw_path == b"/a?b=c%2Fd"
    assert pinned.host == pinned.name == "hooks.example.com"


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allowed", ["hooks.example.com", "*.example.com"])
async def test_some_addresses_are_never_posted_to(allowed: str, address: str) -> None:
    with pytest.raises(ValueError, match="never posted to") as refusal:
        await guard(allowed, dns=Dns([address])).pin("https://hooks.example.com/")

    assert address not in str(refusal.value)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_private_address_needs_the_host_to_be_named(address: str) -> None:
    url, dns = "https://hooks.example.com/", Dns([address])

    with pytest.raises(ValueError, match=r"private network.*without \*"):
        await guard("*.example.com", dns=dns).pin(url)

    assert (await guard("hooks.example.com", dns=dns).pin(url)).url.host == address
    assert (await guard(own=[url], dns=dns).pin(url)).url.host == address


async def test_a_host_named_for_another_port_is_not_named_for_this_one() -> None:
    strict = guard("*.example.com", "hooks.example.com:8443", dns=Dns(["10.0.0.1"]))

    await strict.pin("https://hooks.example.com:8443/")
    with pytest.raises(ValueError, match="private network"):
        await strict.pin("https://hooks.example.com/")


@pytest.mark.parametrize("bad", ["10.0.0.1", "169.254.169.254", "::1"])
async def test_one_bad_address_among_good_ones_is_enough(bad: str) -> None:
    with pytest.raises(ValueError, match=r"hooks\.example\.com"):
        await guard("*.example.com", dns=Dns([PUBLIC, bad])).pin("https://hooks.example.com/")


async def test_plain_http_stays_off_the_internet() -> None:
    inside, outside = Dns(["10.0.0.1"]), Dns([PUBLIC])

    assert (await guard("n8n:5678", dns=inside).pin("http://n8n:5678/x")).url.host == "10.0.0.1"
    with pytest.raises(ValueError, match="crosses the internet; use https"):
        await guard("n8n:5678", dns=outside).pin("http://n8n:5678/x")


async def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to() -> None:
    """DNS rebinding: the second answer would be the cloud's metadata service."""
    dns = Dns([PUBLIC], ["169.254.169.254"])
    strict = guard("*.example.com", dns=dns)

    first = await strict.pin("https://hooks.example.com/")

    assert (first.url.host, len(dns.asked)) == (PUBLIC, 1)
    with pytest.raises(ValueError, match="never posted to"):
        await strict.pin("https://hooks.example.com/")


async def test_a_literal_address_is_not_looked_up() -> None:
    dns = Dns([PUBLIC])

    pinned = await guard("[::1]:5678", dns=dns).pin("http://[::1]:5678/x")

    assert pinned.host == "[::1]:5678"
    assert pinned.url == httpx.URL("http://[::1]:5678/x")
    assert dns.asked == []


async def test_the_port_is_kept_in_url_and_host_header() -> None:
    pinned = await guard("hooks.example.com:8443", dns=Dns([PUBLIC_V6])).pin(
        "https://hooks.example.com:8443/x"
    )

    assert str(pinned.url) == f"https://[{PUBLIC_V6}]:8443/x"
    assert (pinned.host, pinned.name) == ("hooks.example.com:8443", "hooks.example.com")


@pytest.mark.parametrize("answer", [socket.gaierror(-2, "unknown"), [], UnicodeError("label")])
async def test_a_name_that_is_not_found_is_worth_another_try(
    answer: Sequence[str] | Exception,
) -> None:
    with pytest.raises(ApiError, match=r"hooks\.example\.com") as failure:
        await guard("hooks.example.com", dns=Dns(answer)).pin("https://hooks.example.com/hidden")

    assert failure.value.retryable
    assert "hidden" not in str(failure.value)


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(3600)
        return [f"{host}:{port}"]

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ApiError, match="no answer from the DNS"):
            await UrlGuard(["hooks.example.com"], lookup=hang).pin("https://hooks.example.com/")
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(main()) == pytest.approx(LOOKUP_S)


async def test_the_system_resolver_is_asked_by_default() -> None:
    found = await UrlGuard(["localhost"]).resolve("localhost", 80)

    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found)) >= 1


V4 = ["8.8.4.4", "8.8.8.8", "1.1.1.1"]
V6 = [PUBLIC_V6, "2606:4700::2", "2606:4700::3"]


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([V4[0]], [V4[0]]),
        ([V6[0], V4[0]], [V6[0], V4[0]]),
        ([V4[0], V6[0]], [V4[0], V6[0]]),
        ([*V6, *V4], [V6[0], V4[0], V6[1], V4[1], V6[2], V4[2]]),
        ([*V6, V4[0]], [V6[0], V4[0], V6[1], V6[2]]),
        (V4, V4),
        ([V4[0]] * 5, [V4[0]]),
        ([V6[0], V6[0], V4[0], V4[0]], [V6[0], V4[0]]),
    ],
)
async def test_every_address_is_to_be_tried_the_families_by_turns(
    found: list[str], order: list[str]
) -> None:
    pinned = await guard("hooks.example.com", dns=Dns(found)).pin("https://hooks.example.com/x")

    assert [url.host for url in pinned.urls] == order
    assert pinned.url == pinned.urls[0]


async def test_no_more_addresses_are_tried_than_a_caller_can_wait_for_but_all_are_checked() -> None:
    many = [f"8.8.4.{n}" for n in range(1, 40)]

    pinned = await guard("*.example.com", dns=Dns(many)).pin("https://hooks.example.com/")

    assert len(pinned.urls) == MAX_ADDRESSES
    for bad in ("10.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(ValueError, match=r"hooks\.example\.com"):
            await guard("*.example.com", dns=Dns([*many, bad])).pin("https://hooks.example.com/")
