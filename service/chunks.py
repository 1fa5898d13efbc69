"""Cuts a table into chunks of rows that are labelled, written and noted together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from service.tables.columns import ticket_text
from service.tables.records import Reader, Rejected, Row

_MAX_CHARACTERS = 1 << 21


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that are labelled together, and the malformed records among them."""

    rows: list[Row] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def rejected_text(self) -> str:
        """Return the malformed records as they were, each below a line that says what is wrong."""
        lines = (f"# line {record.number}: {record.reason}\n{record.raw}" for record in self.rejected)
        return "".join(line if line.endswith(("\n", "\r")) else line + "\n" for line in lines)


def cut_into_chunks(reader: Reader, columns: tuple[int, ...], rows: int) -> Iterator[Chunk]:
    """Cut the records into chunks, always at the same places."""
    chunk, characters, count = Chunk(), 0, 0
    for record in reader.rows():
        count += 1
        if isinstance(record, Rejected):
            chunk.rejected.append(record)
            characters += len(record.raw)
        else:
            text = ticket_text(record, columns)
            chunk.rows.append(record)
            chunk.texts.append(text)
            characters += len(record.raw) + len(text)
        if count >= rows or characters >= _MAX_CHARACTERS:
            yield chunk
            chunk, characters, count = Chunk(), 0, 0
    if count:
        yield chunk
