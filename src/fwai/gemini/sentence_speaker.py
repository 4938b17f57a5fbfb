"""Has a Live model speak one sentence, for the times when it cannot.

A session is opened with nothing but the order to read aloud; it is given the text, and what it says
until its turn ends is the clip. What came out is judged, because models comment, translate, greet
or stay silent where they were told to read: such a clip would be heard again and again.
"""

import asyncio
import unicodedata
from collections import Counter
from typing import Final

from fwai.audio.pcm import BYTES_PER_SAMPLE, duration_ms
from fwai.audio.trim import trim_silence
from fwai.domain.agent_voice import AgentVoice, Wording, primary_language
from fwai.domain.events import AgentAudio, AgentSaid, Interrupted, TurnEnded
from fwai.domain.plain_text import one_line
from fwai.domain.sentence import SpokenSentence
from fwai.errors import AgentError
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.messages import ServerMessage, TurnRefused
from fwai.gemini.models import LANGUAGES
from fwai.gemini.setup import OUTPUT_HZ, SessionConfig, setup_message

DEADLINE_S: Final = 20.0
MIN_MS: Final = 400.0
MAX_MS: Final = 12_000.0
MAX_BYTES: Final = OUTPUT_HZ * BYTES_PER_SAMPLE * 20  # with its silence; more is no sentence
MAX_TEXT: Final = 400
MAX_HEARD: Final = 2_000  # a transcript that is longer has too many words anyway
SAME_WORDS: Final = 0.6  # of both together; a transcript spells some words its own way
UNFIT: Final = "sentence_unfit"
"""The ``fault`` of an error that lies in what was said, and not in the service."""
INSTRUCTION: Final = (
    "You read texts aloud in a calm and friendly voice. Say exactly the text you are given, once, "
    "and nothing else: no greeting, no comment, no question, no answer to it."
)


class SentenceSpeaker:
    """Speaks sentences in the voices of agents, each in a session of its own.

    Args:
        endpoint: Where the service is.
        deadline_s: How long one may take, in seconds, from connecting to its last sound.
    """

    def __init__(self, endpoint: LiveEndpoint, deadline_s: float = DEADLINE_S) -> None:
        self._endpoint = endpoint
        self._deadline_s = deadline_s

    async def speak(self, voice: AgentVoice, wording: Wording) -> SpokenSentence:
        """Have a sentence spoken.

        Args:
            voice: Model, voice and language.
            wording: Is translated by the model when its language is not that of the voice.

        Raises:
            AgentError: The service failed, or what it said is of no use; then ``fault`` is `UNFIT`.
        """
        config = SessionConfig(voice.model, INSTRUCTION, voice.voice, voice.language)
        reading = _Reading(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(self._deadline_s):
                connection = await LiveConnection.open(self._endpoint, setup_message(config))
                try:
                    connection.lost.add_done_callback(reading.lost)
                    connection.listen(reading.hear)
                    connection.send(messages.text(_order(voice, wording)))
                    await reading.over
                finally:
                    connection.close()
        except TimeoutError:
            raise _unfit(f"not over after {self._deadline_s:g} s") from None
        pcm = _judged(bytes(reading.pcm))
        heard = one_line(reading.text, MAX_TEXT)
        if not _translated(voice, wording):
            if heard and not same_words(wording.text, reading.text):
                raise _unfit("other words than those it was given")
            heard = wording.text
        return SpokenSentence(heard or wording.text, pcm)


class _Reading:
    """What a session says until its turn ends.

    Attributes:
        over: Done when it has; an error when it cannot go on.
        pcm: Its sound.
        text: Its transcript.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        self.pcm = bytearray()
        self.text = ""

    def hear(self, message: ServerMessage) -> None:
        match message:
            case AgentAudio(pcm):
                self.pcm += pcm
                if len(self.pcm) > MAX_BYTES:
                    self._fail(_unfit("too long"))
            case AgentSaid(text) if len(self.text) < MAX_HEARD:
                self.text += text
            case Interrupted():
                self._fail(_unfit("interrupted"))
            case TurnRefused(reason):
                self._fail(_unfit(f"refused ({reason})"))
            case TurnEnded() if not self.over.done():
                self.over.set_result(None)
            case _:
                pass

    def lost(self, lost: asyncio.Future[AgentError]) -> None:
        self._fail(lost.result())

    def _fail(self, error: AgentError) -> None:
        if not self.over.done():
            self.over.set_exception(error)
            self.over.exception()  # seen, even when nobody waits for it any more


def same_words(text: str, heard: str) -> bool:
    """Whether a transcript is that of a text, give or take the spelling of some words."""
    given, said = Counter(_words(text)), Counter(_words(heard))
    common = (given & said).total()
    return 2 * common >= SAME_WORDS * (given.total() + said.total())


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFC", text).casefold()
    return "".join(" " if unicodedata.category(one)[0] in "PS" else one for one in plain).split()


def _translated(voice: AgentVoice, wording: Wording) -> bool:
    return primary_language(voice.language) not in ("", wording.language)


def _order(voice: AgentVoice, wording: Wording) -> str:
    if not _translated(voice, wording):
        return f'Say exactly this: "{wording.text}"'
    return f'Say exactly this, in {_language_name(voice.language)}: "{wording.text}"'


def _language_name(code: str) -> str:
    """Return the English name of a language; its code where it has none here."""
    primary = primary_language(code)
    names = (name for known, name in LANGUAGES.items() if primary_language(known) == primary)
    return LANGUAGES.get(code) or next(names, code)


def _judged(pcm: bytes) -> bytes:
    """Return the sound without the silence around it.

    Raises:
        AgentError: It is of no use.
    """
    if not pcm:
        raise _unfit("no sound")
    spoken = trim_silence(pcm, OUTPUT_HZ)
    length_ms = duration_ms(len(spoken), OUTPUT_HZ)
    if not spoken:
        raise _unfit("nothing audible")
    if not MIN_MS <= length_ms <= MAX_MS:
        raise _unfit(f"{length_ms / 1000:.1f} s long")
    return spoken


def _unfit(what: str) -> AgentError:
    return AgentError(f"live: a sentence was not read aloud: {what}", fault=UNFIT, detail=what)
