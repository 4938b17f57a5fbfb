"""Makes hostile messages of good ones, the same ones for the same seed.

Each shape of message is broken as whoever writes it would: bytes as a bad line does, JSON and forms
as another program does, packets with counters and lengths that lie. Some of each go through as they
are, some are blown up to the size that the wire takes at most.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus

Body = Any  # JSON
Json = Callable[["Mutator", Body], Body]

AS_IT_IS: Final = 0.08
BLOWN_UP: Final = 0.002
RAW_BYTES: Final = 0.25
MAX_DEPTH: Final = 12  # of a place in JSON that is changed

TEXTS: Final = (
    "", " ", "0", "-1", "1e999", "NaN", "null", "true", "[]", "{}", '{"a":1}', "a=b&c=d", "%00%ff",
    "\ud800", "x\udfffy", "\x00", "a\x00b", "\u202e", "\u2028", "\x1b[2J", "\r\n", "\ufeff", "é",
    "अरे", "😀", "🇮🇳", "٣", "²", "=", "====", "AAAA", "AA-_", "AA+/", "9" * 30, "9" * 5000,
    "x" * 255, "x" * 5000, "{{agent_name}}", "{{", "../../x", "<b>&amp;", "'\"\\", "+919999900001",
    "Infinity", "0x10", "1_000", "-0",
)  # fmt: skip
NUMBERS: Final = (
    0, 1, -1, 2, 127, 255, 256, 65535, 65536, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63) - 1, 2**64,
    0.5, -0.0, 1e308, 1e-320, 8000, 16000, 24000, 10**30,
)  # fmt: skip
# What Python cannot say with its own JSON.
TOKENS: Final = (
    "NaN", "-Infinity", "1e999", "-1E+400", "9" * 400, "9" * 5000, "0.1e-9999", "01", "+1", "'a'",
    "[" * 400 + "]" * 400, '{"a":' * 400 + "1" + "}" * 400, "[" * 3000, '"\\ud800"', '"\\x"', "",
    '"\\udc00\\ud800"', '"\\u0000"', "true1", '"\t"', "[1,]", '{"a":1,}', '{"a":1,"a":2}', "/**/1",
)  # fmt: skip
_TWICE: Final = re.compile(r'"@@twice@@')


class Mutator:
    """Breaks messages.

    Args:
        seed: Decides everything.
        max_bytes: Longest message.
    """

    def __init__(self, seed: int | str, max_bytes: int) -> None:
        self.chance = random.Random(seed)
        self.max_bytes = max_bytes

    # ---- shapes -----------------------------------------------------------------------------

    def request(self, seeds: Sequence[bytes]) -> bytes:
        """Break the body of a request by what it is; now and then its first line.

        A request is method, address and kind of content in one line, then its body.
        """
        chance = self.chance
        head, _, body = chance.choice(seeds).partition(b"\n")
        others = [one.partition(b"\n")[2] for one in (chance.choice(seeds) for _ in range(3))]
        shape = self.form if b"form" in head else self.json
        if body:
            body = shape([body, body, *others])
        if not body or chance.random() < 0.1:
            changed = bytearray(head)
            chance.choice(_BYTES)(self, changed, [head])
            head = bytes(changed).replace(b"\n", b"%0a")
        return head + b"\n" + body

    def raw(self, seeds: Sequence[bytes]) -> bytes:
        """Break a message as bytes."""
        chance = self.chance
        data = bytearray(chance.choice(seeds))
        fate = chance.random()
        if fate < AS_IT_IS:
            return bytes(data)
        if fate < AS_IT_IS + BLOWN_UP:
            return self._blow_up(bytes(data))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            chance.choice(_BYTES)(self, data, seeds)
        return bytes(data[: self.max_bytes])

    def json(self, seeds: Sequence[bytes]) -> bytes:
        """Break a message as JSON; one that is none, or now and then, as bytes."""
        chance = self.chance
        data = chance.choice(seeds)
        fate = chance.random()
        if fate < RAW_BYTES:
            return self.raw(seeds)
        if fate > 1 - AS_IT_IS:
            return data
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            return self.raw(seeds)
        if fate < RAW_BYTES + BLOWN_UP:
            return self._blow_up_json(body)
        tokens: list[str] = []
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            body = self._change(body, seeds, tokens, 0)
        return self._write(body, tokens)[: self.max_bytes]

    def form(self, seeds: Sequence[bytes]) -> bytes:
        """Break a message as an URL-encoded form; now and then as bytes."""
        chance = self.chance
        if chance.random() < RAW_BYTES:
            return self.raw(seeds)
        pairs = _pairs(chance.choice(seeds))
        if chance.random() < BLOWN_UP:
            return self._blow_up(_encoded(pairs))
        for _ in range(chance.choice((1, 1, 2, 3))):
            self._change_pairs(pairs, seeds)
        return _encoded(pairs)[: self.max_bytes]

    def lines(self, seeds: Sequence[bytes]) -> bytes:
        """Break a message line by line, as an SDP."""
        chance = self.chance
        if chance.random() < RAW_BYTES:
            return self.raw(seeds)
        lines = chance.choice(seeds).split(b"\r\n")
        if chance.random() < BLOWN_UP:
            line = chance.choice(lines) + b"\r\n"
            return (b"\r\n".join(lines) + line * (self.max_bytes // len(line)))[: self.max_bytes]
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(lines))
            match chance.randrange(7):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(at, chance.choice(lines))
                case 2:
                    lines.insert(at, chance.choice(chance.choice(seeds).split(b"\r\n")))
                case 3:
                    other = chance.randrange(len(lines))
                    lines[at], lines[other] = lines[other], lines[at]
                case 4:
                    lines[at] = self._word(lines[at])
                case 5:
                    lines[at] = self._word(lines[at])
                case _:
                    changed = bytearray(lines[at])
                    chance.choice(_BYTES)(self, changed, seeds)
                    lines[at] = bytes(changed)
            lines = lines or [b""]
        return chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r")).join(lines)[
            : self.max_bytes
        ]

    # ---- parts ------------------------------------------------------------------------------

    def text(self) -> str:
        """Return a text that somebody may not have thought of."""
        return self.chance.choice(TEXTS)

    def _word(self, line: bytes) -> bytes:
        """Change one word or number of a line."""
        words = re.split(rb"([ :;=/,])", line)
        at = self.chance.randrange(0, len(words), 2)
        number = self.chance.choice(NUMBERS)
        words[at] = (
            str(number).encode()
            if self.chance.random() < 0.5
            else self.text().encode(errors="surrogatepass")
        )
        return b"".join(words)

    def _change_pairs(self, pairs: list[tuple[str, str]], seeds: Sequence[bytes]) -> None:
        chance = self.chance
        if not pairs:
            pairs.append((self.text(), self.text()))
        at = chance.randrange(len(pairs))
        name, value = pairs[at]
        match chance.randrange(8):
            case 0:
                del pairs[at]
            case 1:
                pairs.append((name, self.text()))
            case 2:
                pairs += _pairs(chance.choice(seeds))
            case 3:
                pairs[at] = (_respelled(chance, name), value)
            case 4:
                pairs[at] = (self.text(), value)
            case 5:
                pairs[at] = (
                    name,
                    value[: len(value) // 2] + self.text() + value[len(value) // 2 :],
                )
            case _:
                pairs[at] = (name, self.text())

    def _change(self, body: Body, seeds: Sequence[bytes], tokens: list[str], depth: int) -> Body:
        """Return JSON with one place changed."""
        chance = self.chance
        inside = isinstance(body, dict | list) and body and depth < MAX_DEPTH
        if inside and chance.random() < 0.85:
            keys: Sequence[Any] = list(body) if isinstance(body, dict) else range(len(body))
            key = chance.choice(keys)
            copy = body.copy()
            if isinstance(copy, dict) and chance.random() < 0.12:
                return self._change_key(copy, key)
            if isinstance(copy, list) and chance.random() < 0.1:
                copy.insert(key, copy[key])
                return copy
            copy[key] = self._change(body[key], seeds, tokens, depth + 1)
            return copy
        return self._value(body, seeds, tokens)

    def _change_key(self, body: dict[str, Body], key: str) -> dict[str, Body]:
        match self.chance.randrange(6):
            case 0:
                del body[key]
            case 1:
                body[_respelled(self.chance, key)] = body.pop(key)
            case 2:
                body[self.text()] = body[key]
            case 3:
                body[f"@@twice@@{key}"] = self.chance.choice((None, *TEXTS[:20], *NUMBERS[:6]))
            case 4:
                body = {key: body[key], **body, "z": body}
            case _:
                body = dict(reversed(list(body.items())))
        return body

    def _value(self, body: Body, seeds: Sequence[bytes], tokens: list[str]) -> Body:
        """Return something to stand in the place of a value."""
        chance = self.chance
        if isinstance(body, str) and chance.random() < 0.15:
            at = chance.randrange(len(body) + 1)
            return body[:at] + self.text() + body[at + chance.randrange(3) :]
        match chance.randrange(10):
            case 0:
                return chance.choice((None, True, False, [], {}, [[]], {"": None}, [None], [{}]))
            case 1 | 2:
                return chance.choice(NUMBERS)
            case 3:
                tokens.append(chance.choice(TOKENS))
                return f"@@{len(tokens) - 1}@@"
            case 4:
                return [body] * chance.choice((1, 2, 40))
            case 5:
                return {chance.choice(("a", "event", "id", "")): body}
            case 6:
                return json.dumps(body) if chance.random() < 0.5 else str(body)
            case 7:
                return self._from_another(seeds)
        return self.text()

    def _from_another(self, seeds: Sequence[bytes]) -> Body:
        """Return a value of another message."""
        try:
            body = json.loads(self.chance.choice(seeds))
        except (ValueError, RecursionError):
            return "x"
        while isinstance(body, dict | list) and body and self.chance.random() < 0.7:
            body = self.chance.choice(list(body.values()) if isinstance(body, dict) else body)
        return body

    def _write(self, body: Body, tokens: Sequence[str]) -> bytes:
        wide = self.chance.random() < 0.3
        try:
            text = json.dumps(body, ensure_ascii=not wide)
        except (ValueError, RecursionError):
            text = "[" * 2000
        for number, token in enumerate(tokens):
            text = text.replace(f'"@@{number}@@"', token)
        return _TWICE.sub('"', text).encode(errors="surrogatepass")

    def _blow_up(self, data: bytes) -> bytes:
        piece = data[self.chance.randrange(len(data) + 1) :][:40] or b"\0"
        if self.chance.random() < 0.4:
            piece = self.chance.choice(
                (b"[", b'{"a":', b"a&", b"a=&", b"%00", b"\\", b'"', b" ", b"\xff")
            )
        at = self.chance.randrange(len(data) + 1)
        room = max(self.max_bytes - len(data), 0)
        return data[:at] + piece * (room // len(piece)) + data[at:]

    def _blow_up_json(self, body: Body) -> bytes:
        """Make one text or list of a message as long as there is room."""
        tokens: list[str] = []

        def grown(value: Body, depth: int) -> Body:
            if isinstance(value, dict | list) and value and depth < MAX_DEPTH:
                keys: Sequence[Any] = list(value) if isinstance(value, dict) else range(len(value))
                copy = value.copy()
                key = self.chance.choice(keys)
                copy[key] = grown(value[key], depth + 1)
                return copy
            room = max(self.max_bytes - len(json.dumps(body)) - 32, 0)
            one = json.dumps(value)
            tokens.append(
                self.chance.choice(
                    (
                        '"' + "A" * room + '"',
                        '"' + "\\ud800" * (room // 6) + '"',
                        '"' + "a&" * (room // 2) + '"',
                        "[" + ",".join([one] * (room // (len(one) + 1))) + "]",
                        "{" + ",".join(f'"{n}":0' for n in range(room // 9)) + "}",
                        "9" * room,
                        "[" * (room // 2) + "]" * (room // 2),
                        '"' + "A=" * (room // 2) + '"',
                        '"' + " " * room + '"',
                    )
                )
            )
            return f"@@{len(tokens) - 1}@@"

        return self._write(grown(body, 0), tokens)


# ---- bytes --------------------------------------------------------------------------------------

Change = Callable[[Mutator, bytearray, Sequence[bytes]], None]


def _place(mutator: Mutator, data: bytearray) -> int:
    return mutator.chance.randrange(len(data) + 1)


def _flip(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        at = mutator.chance.randrange(len(data))
        data[at] ^= 1 << mutator.chance.randrange(8)


def _overwrite(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        at = mutator.chance.randrange(len(data))
        data[at] = mutator.chance.choice((0, 1, 0x7F, 0x80, 0xFF, mutator.chance.randrange(256)))


def _cut(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(mutator, data) :]


def _cut_out(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(mutator, data)
    del data[at : at + mutator.chance.choice((1, 2, 3, 4, 8, 40))]


def _repeat(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(mutator, data)
    piece = data[at : at + mutator.chance.choice((1, 2, 4, 16, 64))]
    data[at:at] = piece * mutator.chance.choice((1, 2, 30))


def _splice(mutator: Mutator, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = mutator.chance.choice(seeds)
    data[_place(mutator, data) :] = other[mutator.chance.randrange(len(other) + 1) :]


def _insert(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(mutator, data)
    noise = mutator.chance.randbytes(mutator.chance.choice((1, 2, 3, 7, 32)))
    text = mutator.text().encode(errors="surrogatepass")
    data[at:at] = noise if mutator.chance.random() < 0.6 else text


def _length(mutator: Mutator, data: bytearray, _: Sequence[bytes]) -> None:
    """Write a number of two or four bytes, as lengths and counters are."""
    if len(data) >= 4:
        width = mutator.chance.choice((2, 4))
        at = mutator.chance.randrange(len(data) - width + 1)
        value = mutator.chance.choice((0, 1, 3, 0x7FFF, 0xFFFF, mutator.chance.randrange(65536)))
        data[at : at + width] = value.to_bytes(width, "big")


_BYTES: Final[Sequence[Change]] = (
    _flip, _flip, _overwrite, _overwrite, _cut, _cut_out, _repeat, _splice, _insert, _length,
)  # fmt: skip


def _respelled(chance: random.Random, name: str) -> str:
    match chance.randrange(5):
        case 0:
            return name.upper()
        case 1:
            return name.lower()
        case 2:
            return re.sub(r"(?<=[a-z])([A-Z])", lambda letter: "_" + letter[1].lower(), name)
        case 3:
            return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
        case _:
            return f" {name}"


def _pairs(data: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(data.decode(errors="surrogateescape"), keep_blank_values=True)
    except ValueError:
        return []


def _encoded(pairs: Sequence[tuple[str, str]]) -> bytes:
    return "&".join(
        f"{quote_plus(name, errors='surrogatepass')}={quote_plus(value, errors='surrogatepass')}"
        for name, value in pairs
    ).encode()
