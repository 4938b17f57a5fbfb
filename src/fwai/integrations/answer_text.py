"""Turns the body of an answer into text: unpacked, decoded, without markup. No I/O.

Whoever answers decides how: n8n sends text as ``text/html``, proxies compress unasked, charsets are
declared wrongly. So the body decides and the headers only help. Everything is bounded, also what a
small compressed body would unpack to.
"""

import codecs
import html
import re
import zlib
from typing import Final

MAX_TEXT_BYTES: Final = 64 * 1024
MAX_LAYERS: Final = 2  # of compression

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_WIDE: Final = re.compile(r"utf-?(?:16|32)", re.IGNORECASE)
_FILES: Final = re.compile(
    r"(?:image|audio|video|font|model)/|multipart/|application/(?:pdf|zip|msword|vnd\.|x-tar|wasm)"
)
_MAGIC: Final = (b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF", b"\x7fELF")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MOST_CONTROL: Final = 0.01  # of the characters of a text
_MOST_LOST: Final = 0.1
_WIDE_ZEROS: Final = 0.4  # of the high bytes of a text in UTF-16 that does not say so

_PAGE: Final = re.compile(
    r"<(?:!doctype\s+html|html|head|body|script|style|form|input|meta|title|link|iframe|frameset)"
    r"(?=[\s/>])",
    re.IGNORECASE,
)
_BLOCK: Final = r"p|br|div|h[1-6]|li|ul|ol|tr|table|tbody|thead|hr|pre|blockquote|section|center"
_INLINE: Final = r"b|i|u|s|em|strong|span|a|small|sub|sup|code|font|td|th|img|mark|del|ins|label"
_TAG: Final = re.compile(rf"</?(?:({_BLOCK})|{_INLINE})(?:\s[^<>]*|/)?>", re.IGNORECASE)
_LINE_ENDS: Final = re.compile(r"[ \t]*\n\s*")
_SANDBOX: Final = '<iframe srcdoc="'


class UnreadableError(ValueError):
    """A body that holds no words; the text says what it is, never what is in it.

    Attributes:
        page: It is a page for people, such as a sign-in or an error: whoever wrote it, it need not
            be the workflow.
    """

    def __init__(self, what: str, *, page: bool = False) -> None:
        super().__init__(what)
        self.page = page


def unpack(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """Return a body without compression, at most `MAX_TEXT_BYTES`, and whether that is all of it.

    Args:
        body: As it came.
        encoding: ``Content-Encoding``; a body that is not what it says is taken as it is.

    Raises:
        UnreadableError: It is compressed in a way that is not read here.
    """
    layers = [one.strip().lower() for one in encoding.split(",")]
    layers = [one for one in layers if one not in ("", "identity", "none", "utf-8")]
    if len(layers) > MAX_LAYERS:
        raise UnreadableError("compressed too often; answer uncompressed")
    whole = True
    for layer in reversed(layers):
        if layer not in ("gzip", "x-gzip", "deflate"):
            raise UnreadableError("compressed; answer uncompressed")
        body, complete = _inflate(body)
        whole &= complete
    if not layers and body.startswith(b"\x1f\x8b"):
        body, whole = _inflate(body)
    return body[:MAX_TEXT_BYTES], whole and len(body) <= MAX_TEXT_BYTES


def _inflate(body: bytes) -> tuple[bytes, bool]:
    """Unpack gzip, zlib or bare deflate as far as it goes; what is none of these stays."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacker = zlib.decompressobj(window)
        try:
            out = unpacker.decompress(body, MAX_TEXT_BYTES + 1)
        except zlib.error:
            continue
        if out or unpacker.eof:
            return out, unpacker.eof and len(out) <= MAX_TEXT_BYTES
    return body, True


def decode(body: bytes, content_type: str) -> str:
    """Decode a body to text without blanks around.

    Raises:
        UnreadableError: It is a file.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if _FILES.match(kind) or body.startswith(_MAGIC):
        raise UnreadableError("a file and no text")
    text = _decode(body, content_type).lstrip("\ufeff").strip()
    lost, controls = text.count("\ufffd"), len(_CONTROL.findall(text))
    if controls > _MOST_CONTROL * len(text) or lost > _MOST_LOST * len(text):
        raise UnreadableError("a file and no text")
    return _CONTROL.sub("", text)


def _decode(body: bytes, content_type: str) -> str:
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    declared = _CHARSET.search(content_type)
    charset = declared[1] if declared else ""
    if _WIDE.match(charset):
        return body.decode(_codec(charset), "replace")
    for wide, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        half, other = body[:64][at::2], body[:64][1 - at :: 2]
        if half.count(0) > _WIDE_ZEROS * len(half) and 0 not in other:
            return body.decode(wide, "replace")
    try:
        return body.decode("utf-8")  # other encodings hardly ever look like it
    except UnicodeDecodeError as exc:
        if exc.start >= len(body) - 3 and exc.reason == "unexpected end of data":
            return body[: exc.start].decode("utf-8")  # cut in the middle of a letter
    name = _codec(charset)
    return body.decode("cp1252" if name in ("utf-8", "ascii") else name, "replace")


def _codec(charset: str) -> str:
    """Return Python's name of a text encoding; Windows' Latin for one that it does not know."""
    try:
        found = codecs.lookup(charset or "cp1252")
    except LookupError:
        return "cp1252"
    is_text: bool = getattr(found, "_is_text_encoding", False)
    return found.name if is_text and found.name not in ("idna", "punycode") else "cp1252"


def words(text: str, *, markup: bool) -> str:
    """Return text without the markup that n8n's Text mode may carry.

    Args:
        text: What was said.
        markup: It came as HTML, so that ``&amp;`` means ``&``.

    Raises:
        UnreadableError: It is a web page, or XML.
    """
    text = _unsandboxed(text)
    begins = text.lstrip().lower()
    if begins.startswith("<?xml"):
        raise UnreadableError("XML and no text")
    if (markup or begins.startswith("<")) and _PAGE.search(text):
        raise UnreadableError("a web page", page=True)
    bare = _TAG.sub(lambda tag: "\n" if tag[1] else "", _without_comments(text))
    if markup or bare != text:
        bare = html.unescape(bare)
    return _LINE_ENDS.sub("\n", bare).strip() if bare != text else text.strip()


def _unsandboxed(text: str) -> str:
    """Return what some releases of n8n wrap into a frame when they send text as HTML."""
    begin = text.lstrip()
    if not begin.lower().startswith(_SANDBOX):
        return text
    inner, quote, _ = begin[len(_SANDBOX) :].partition('"')
    return html.unescape(inner).strip() if quote else text


def _without_comments(text: str) -> str:
    parts, at = [], 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        parts.append(text[at:begin])
        at = end + 3
    return "".join([*parts, text[at:]])
