"""The logs of calls that are written to: one per call, kept for latecomers after its end."""

from collections import deque
from pathlib import Path
from typing import Final

from fwai.domain.call import Call, CallEnding, CallId, CallState
from fwai.store.batch_writer import BatchWriter
from fwai.store.call_log import FollowTool, StoredCallLog
from fwai.store.call_reader import CallReader
from fwai.store.crash_recovery import Folders
from fwai.store.file_writer import FileWriter
from fwai.store.transcript_files import TranscriptFile, call_path

MAX_ENDED: Final = 256


class CallLogs:
    """Opens, adopts and ends the logs of calls.

    Args:
        reader: Finds calls that an earlier process opened.
        folders: Where transcript files go; without one no words are kept anywhere.
        follow_tool: What is to be done when a tool has run.
    """

    def __init__(
        self,
        reader: CallReader,
        writer: BatchWriter,
        files: FileWriter,
        folders: Folders,
        follow_tool: FollowTool,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._files = files
        self._folders = folders
        self._follow_tool = follow_tool
        self._open: dict[CallId, StoredCallLog] = {}
        self._ended: deque[CallId] = deque()

    def since(self, call: Call, at: float) -> StoredCallLog:
        """Return a call's log, begun at Unix time ``at`` if there is none; the same one each time.

        Raises:
            StoreError: The call's id is not safe in a path.
        """
        log = self._open.get(call.id)
        if log is None:
            path = call_path(call.id, at, self._folders.zone, ".jsonl")
            file = self._file(path)
            if file is not None:
                file.begin(call, at)
            log = self._open[call.id] = StoredCallLog(
                call, file, self._writer, follow=self._follow_tool
            )
        return log

    def folder_of(self, call_id: CallId) -> str:
        """Return the name of the folder a call's transcript is in; empty when it has none."""
        log = self._open.get(call_id)
        return "" if log is None or log.file is None else log.file.path.parent.name

    async def adopt(self, call_id: CallId) -> None:
        """Go on with the log of a call that an earlier process opened.

        Raises:
            StoreError: The database failed.
        """
        if call_id in self._open:
            return
        row = await self._reader.get(call_id)
        if row is None:
            return
        seqs = [turn.seq for turn in await self._reader.turns(call_id)]
        seqs += [tool_call.seq for tool_call in await self._reader.tool_calls(call_id)]
        file = None if row.transcript is None else self._file(Path(row.transcript))
        if file is not None and not file.path.exists():
            file.begin(row.call, row.created_at.timestamp())  # it was only placed until now
        self._open[call_id] = StoredCallLog(
            row.call,
            file,
            self._writer,
            kept=max(seqs, default=0),
            follow=self._follow_tool,
        )

    def _file(self, path: Path) -> TranscriptFile | None:
        root = self._folders.transcripts
        return (
            None if root is None else TranscriptFile(root / path, self._folders.zone, self._files)
        )

    def end(self, call_id: CallId, state: CallState, at: float, ending: CallEnding | None) -> None:
        """Write the last line of a call's log; ``ending`` is None when only the state is known."""
        log = self._open.get(call_id)
        if log is not None:
            log.ended(state, at, ending)
            self._forget(call_id)

    def _forget(self, call_id: CallId) -> None:
        """Keep the log of an ended call for latecomers, but not for ever."""
        self._ended.append(call_id)
        if len(self._ended) > MAX_ENDED:
            self._open.pop(self._ended.popleft(), None)
