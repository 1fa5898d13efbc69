"""Opens a workbook with its shared strings on the disk: a million long texts do not fit the memory."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

_ITEM = f"{{{SHEET_MAIN_NS}}}si"


class _StringsOnDisk:
    """A list of strings that can only be read by number."""

    def __init__(self, strings: Iterable[str]) -> None:
        self._ends = array("Q", [0])
        self.file = tempfile.TemporaryFile(prefix="issue-router-")  # noqa: SIM115  closed with the book
        for string in strings:
            data = string.encode("utf-8", "surrogatepass")
            self.file.write(data)
            self._ends.append(self._ends[-1] + len(data))

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        self.file.seek(start)
        return self.file.read(end - start).decode("utf-8", "surrogatepass")


class _BookReader(ExcelReader):  # type: ignore[misc]  # openpyxl has no types
    """The reader of openpyxl, but for where the strings are."""

    def read_strings(self) -> None:
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as stream:
                self.shared_strings = _StringsOnDisk(_strings(stream))


def _strings(stream: IO[bytes]) -> Iterator[str]:
    parsed = iterparse(stream, events=("start", "end"))
    _, root = next(parsed)
    for event, node in parsed:
        if event == "end" and node.tag == _ITEM:
            yield Text.from_tree(node).content
            root.clear()  # else the tree holds every item


class Book:
    """A workbook that is read row by row.

    Parameters
    ----------
    path : Path
    values : bool
        Whether to read what formulas came to, in place of formulas.
    """

    def __init__(self, path: Path, *, values: bool) -> None:
        reader = _BookReader(path, read_only=True, keep_vba=False, data_only=values, keep_links=False, rich_text=False)
        reader.read()
        self.book: Any = reader.wb
        self._strings = reader.shared_strings

    def close(self) -> None:
        """Close the files."""
        self.book.close()
        if isinstance(self._strings, _StringsOnDisk):
            self._strings.file.close()
