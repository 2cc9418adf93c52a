# SPDX-License-Identifier: GPL-2.0-or-later
"""The call stacks of a recording by events, as lines of its log."""

import struct
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.table import MOVES_CODE
from vmalab.recording.events import layout
from vmalab.recording.events.code_map import CodeMap
from vmalab.recording.events.images import FlightImage
from vmalab.recording.events.unwinding import CodeTables, CopiedStack, Unwinder
from vmalab.recording.tracer.code_places import CodePlaces, place_text
from vmalab.recording.tracer.jit_dumps import DUMP_NAME

# Frames whose text is remembered.
_MOST_TEXTS: Final = 1 << 17


@final
class FlightStacks:
    """All stacks of one recording. places: where they lead."""

    def __init__(self, places: CodePlaces, *, opens: bool) -> None:
        """opens: whether files that events name may be opened."""
        self._places = places
        self._tables = CodeTables(places) if opens else None
        self._opens = opens
        self._unwinders: dict[CodeMap, Unwinder] = {}
        # Frames as the log has them, by image and address; of which state of its code.
        self._texts: dict[CodeMap, tuple[int, dict[int, str]]] = {}

    def called(self, image: FlightImage, call: Call, result: int, name: str, inode: int) -> None:
        """A call has returned. name, inode: of the file that it has mapped."""
        if call.row.family & MOVES_CODE and result >= 0:
            image.code.called(call, result, name, inode)

    def lines(self, image: FlightImage, tgid: int, view: memoryview, offset: int) -> str:
        """Return the stack of a record, as lines of the log."""
        fields = layout.stack.unpack_from(view, offset)
        begin = offset + layout.STACK_DATA
        memory = bytes(view[begin : begin + min(fields[3], layout.STACK_MOST)])
        count = max(0, min(fields[13] // 8, layout.STACK_CHAIN_MOST))
        chain = struct.unpack_from(f"<{count}Q", view, offset + layout.STACK_CHAIN)
        code = image.code
        unwinder = self._unwinders.get(code)
        if unwinder is None:
            unwinder = self._unwinders[code] = Unwinder(code, self._tables)
        version, texts = self._texts.get(code, (-1, {}))
        if version != code.version or len(texts) > _MOST_TEXTS:
            texts = {}
            self._texts[code] = code.version, texts
        lines: list[str] = []
        for address in unwinder.walk(CopiedStack(fields[5:13], memory, chain)):
            text = texts.get(address)
            if text is None:
                text = texts[address] = f" > {self._text(image, tgid, address)}\n"
            lines.append(text)
        return "".join(lines)

    def _text(self, image: FlightImage, tgid: int, address: int) -> str:
        code = image.code.at(address)
        if code is None:
            return place_text("[unknown]", address)
        if not code.name:
            dump = image.code.named(DUMP_NAME) if self._opens else None
            return self._places.in_code_of(tgid, image.uid, address, dump)
        offset = address - code.start + code.offset
        return (
            self._places.in_file(0, code, offset) if self._opens else place_text(code.name, offset)
        )

    def ended(self, image: FlightImage) -> None:
        """An image has ended."""
        unwinder = self._unwinders.pop(image.code, None)
        if unwinder is not None:
            unwinder.close()
        self._texts.pop(image.code, None)

    def close(self) -> None:
        """There are no more."""
        for unwinder in self._unwinders.values():
            unwinder.close()
        self._unwinders.clear()
        if self._tables is not None:
            self._tables.close()
