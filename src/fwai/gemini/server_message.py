"""Every field of the server's messages, and the reader that checks them all. No I/O.

Fields that nobody here reads are checked, too: a message that the SDK refuses is refused, but for
one of no known kind, which is passed over, and for kinds in snake_case, which are read. A test
compares these tables with the SDK's types and names what an upgrade has added.

Source: Live API reference (v1beta) and google-genai 3.4.0's LiveServerMessage, read 2026-11-29.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fwai.domain.plain_text import readable_json
from fwai.errors import WireError
from fwai.gemini.json_fields import (
    Field,
    ListOf,
    Record,
    WrongValueError,
    blob,
    enum,
    flag,
    free_object,
    number,
    snake,
    text,
    whole,
)


def _null_value(value: object) -> str:
    if value != "NULL_VALUE":
        raise WrongValueError("not NULL_VALUE")
    return "NULL_VALUE"


def _texts(*names: str) -> Record:
    return Record(dict.fromkeys(names, text))


# ---- what a turn is made of -------------------------------------------------------------------

_TRANSCRIPTION: Final = Record(
    {
        "text": text,
        "finished": flag,
        "languageCode": text,
        "speakerLabel": text,
        "words": ListOf(_texts("word", "startOffset", "endOffset")),
        "startOffset": text,
        "endOffset": text,
    }
)
_BLOB: Final = Record({"data": blob, "displayName": text, "mimeType": text})
_FILE: Final = _texts("displayName", "fileUri", "mimeType")
# What a part, and a part of a function's response, may say of their media.
_MEDIA: Final[dict[str, Field]] = {
    "mediaProcessing": enum,
    "mediaResolution": Record({"level": enum, "numTokens": whole}),
    "videoMetadata": Record(
        {"startOffset": text, "endOffset": text, "fps": number, "contentLayers": ListOf(enum)}
    ),
    "documentMetadata": Record(
        {"startPage": whole, "endPage": whole, "contentLayers": ListOf(enum)}
    ),
    "spreadsheetMetadata": Record(
        {"visibleCells": text, "sheetIndex": whole, "contentLayers": ListOf(enum)}
    ),
    "audioMetadata": _texts("startOffset", "endOffset"),
}
_PARTIAL_ARGUMENT: Final = Record(
    {
        "boolValue": flag,
        "jsonPath": text,
        "nullValue": _null_value,
        "numberValue": number,
        "stringValue": text,
        "willContinue": flag,
    }
)
_FUNCTION_CALL: Final = Record(
    {
        "id": text,
        "args": free_object,
        "name": text,
        "partialArgs": ListOf(_PARTIAL_ARGUMENT),
        "willContinue": flag,
    }
)
_FUNCTION_RESPONSE: Final = Record(
    {
        "willContinue": flag,
        "scheduling": enum,
        "parts": ListOf(Record({"inlineData": _BLOB, "fileData": _FILE, **_MEDIA})),
        "id": text,
        "name": text,
        "response": free_object,
    }
)
_PART: Final = Record(
    {
        "codeExecutionResult": Record({"outcome": enum, "output": text, "id": text}),
        "executableCode": Record({"code": text, "language": enum, "id": text}),
        "fileData": _FILE,
        "functionCall": _FUNCTION_CALL,
        "functionResponse": _FUNCTION_RESPONSE,
        "inlineData": _BLOB,
        "text": text,
        "thought": flag,
        "thoughtSignature": blob,
        "toolCall": Record({"id": text, "toolType": enum, "args": free_object}),
        "toolResponse": Record({"id": text, "toolType": enum, "response": free_object}),
        "partMetadata": free_object,
        "audioTranscription": _TRANSCRIPTION,
        "speechMetadata": _texts("speaker", "style"),
        **_MEDIA,
    }
)

# ---- where the model looked things up ---------------------------------------------------------

_REVIEW: Final = Record(
    {
        "authorAttribution": _texts("displayName", "photoUri", "uri"),
        "flagContentUri": text,
        "googleMapsUri": text,
        "relativePublishTimeDescription": text,
        "review": text,
        "reviewId": text,
        "title": text,
    }
)
_MAPS: Final = Record(
    {
        "placeAnswerSources": Record(
            {
                "reviewSnippet": ListOf(_REVIEW),
                "flagContentUri": text,
                "reviewSnippets": ListOf(_REVIEW),
            }
        ),
        "placeId": text,
        "text": text,
        "title": text,
        "uri": text,
        "route": Record({"distanceMeters": whole, "duration": text, "encodedPolyline": text}),
    }
)
_RETRIEVED: Final = Record(
    {
        "documentName": text,
        "ragChunk": Record(
            {
                "pageSpan": Record({"firstPage": whole, "lastPage": whole}),
                "text": text,
                "chunkId": text,
                "fileId": text,
            }
        ),
        "text": text,
        "title": text,
        "uri": text,
        "customMetadata": ListOf(
            Record(
                {
                    "key": text,
                    "numericValue": number,
                    "stringListValue": Record({"values": ListOf(text)}),
                    "stringValue": text,
                }
            )
        ),
        "fileSearchStore": text,
        "pageNumber": whole,
        "mediaId": text,
    }
)
_GROUNDING_CHUNK: Final = Record(
    {
        "image": _texts("sourceUri", "imageUri", "title", "domain"),
        "maps": _MAPS,
        "retrievedContext": _RETRIEVED,
        "web": _texts("domain", "title", "uri"),
    }
)
_GROUNDING_SUPPORT: Final = Record(
    {
        "confidenceScores": ListOf(number),
        "groundingChunkIndices": ListOf(whole),
        "segment": Record(
            {"startIndex": whole, "endIndex": whole, "partIndex": whole, "text": text}
        ),
        "renderedParts": ListOf(whole),
    }
)
_GROUNDING: Final = Record(
    {
        "imageSearchQueries": ListOf(text),
        "groundingChunks": ListOf(_GROUNDING_CHUNK),
        "groundingSupports": ListOf(_GROUNDING_SUPPORT),
        "retrievalMetadata": Record({"googleSearchDynamicRetrievalScore": number}),
        "searchEntryPoint": Record({"renderedContent": text, "sdkBlob": blob}),
        "webSearchQueries": ListOf(text),
        "googleMapsWidgetContextToken": text,
        "retrievalQueries": ListOf(text),
        "sourceFlaggingUris": ListOf(_texts("flagContentUri", "sourceId")),
    }
)

# ---- the message ------------------------------------------------------------------------------

_CONTENT: Final = Record(
    {
        "modelTurn": Record({"parts": ListOf(_PART), "role": text}),
        "turnComplete": flag,
        "interrupted": flag,
        "groundingMetadata": _GROUNDING,
        "generationComplete": flag,
        "inputTranscription": _TRANSCRIPTION,
        "outputTranscription": _TRANSCRIPTION,
        "urlContextMetadata": Record(
            {"urlMetadata": ListOf(Record({"retrievedUrl": text, "urlRetrievalStatus": enum}))}
        ),
        "turnCompleteReason": enum,
        "waitingForInput": flag,
        "interimInputTranscription": _TRANSCRIPTION,
        "interactionStatus": enum,
    }
)
_SHARES: Final = ListOf(Record({"modality": enum, "tokenCount": whole}))
_USAGE: Final = Record(
    {
        "promptTokenCount": whole,
        "cachedContentTokenCount": whole,
        "responseTokenCount": whole,
        "toolUsePromptTokenCount": whole,
        "thoughtsTokenCount": whole,
        "totalTokenCount": whole,
        "promptTokensDetails": _SHARES,
        "cacheTokensDetails": _SHARES,
        "responseTokensDetails": _SHARES,
        "toolUsePromptTokensDetails": _SHARES,
        "trafficType": enum,
        "serviceTier": enum,
    }
)
MESSAGE: Final = Record(
    {
        "setupComplete": Record(
            {"sessionId": text, "voiceConsentSignature": _texts("signature")},
        ),
        "serverContent": _CONTENT,
        "toolCall": Record({"functionCalls": ListOf(_FUNCTION_CALL)}),
        "toolCallCancellation": Record({"ids": ListOf(text)}),
        "usageMetadata": _USAGE,
        "goAway": _texts("timeLeft"),
        "sessionResumptionUpdate": Record(
            {"newHandle": text, "resumable": flag, "lastConsumedClientMessageIndex": whole}
        ),
        "voiceActivityDetectionSignal": Record({"vadSignalType": enum}),
        "voiceActivity": Record({"type": enum, "audioOffset": text}, camel_only=True),
    },
    camel_only=True,
)


_SPELLED: Final = {snake(name): name for name in MESSAGE.fields}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
MAX_KINDS: Final = 5


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message of the server.

    Attributes:
        fields: What is known of it, by camelCase name; null is None. None at all when it is of no
            known kind, and when it is empty.
        odd: Kinds that nobody here knows, and known ones in snake_case, which are read all the
            same; at most `MAX_KINDS`. Empty when there is a known kind in its own spelling.
        error: The error object it brings, or None.
    """

    fields: Mapping[str, Any]
    odd: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None


def parse(payload: bytes) -> Parsed:
    """Parse a message.

    An empty frame, and any JSON value that is as good as none, is a message without fields. So is
    one of a kind that nobody knows yet: the service adds kinds over time.

    Raises:
        WireError: It is no JSON object, or a field has the wrong type.
    """
    try:
        body = _json(payload)
    except (ValueError, RecursionError) as exc:
        raise WireError(f"live: no JSON ({type(exc).__name__})") from exc
    if not body:
        return Parsed({})
    try:
        found = free_object(body)
        respelled = [name for name in found if name in _SPELLED and _SPELLED[name] not in found]
        spelled = {_SPELLED[name]: found[name] for name in respelled}
        message = MESSAGE(found | spelled)
    except WrongValueError as exc:
        raise WireError(f"live: unreadable message ({exc})") from exc
    known = {name for name, kind in message.items() if kind is not None}
    odd = respelled if known else [name for name in found if name not in MESSAGE.fields]
    return Parsed(message if known else {}, _names(odd), _error(found))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names fit for a log; what is no name may be somebody's words."""
    return tuple(name if _NAME.fullmatch(name) else "?" for name in names if name != "error")[
        :MAX_KINDS
    ]


def _error(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the error object of a message, or the message when it is one itself."""
    error = body.get("error")
    if error is None and isinstance(body.get("code"), int) and "status" in body:
        error = body
    if error is None:
        return None
    return error if isinstance(error, dict) else {}


def _json(payload: bytes) -> object:
    """Read JSON in any encoding of Unicode; what is no text is left out of its texts."""
    if not payload:
        return None
    words = payload.decode(json.detect_encoding(payload))
    body: object = json.loads(words)
    if "\\" in words or not words.isascii() or "\x7f" in words:  # sound comes plain
        body = readable_json(body, len(words))
    return body
