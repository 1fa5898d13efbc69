"""Corrections in CSV and JSON Lines, every field of the whole history; what is written reads back exactly."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from model.errors import InputError
from model.matrix import Matrix
from model.text import MAX_CHARACTERS
from service.corrections.correction import MAX_NOTE, MAX_WHO, Correction, checked_note, storable
from service.corrections.labelling import check
from service.corrections.redaction import redact


class _Line(BaseModel):
    """One correction of a file, under the names of the table's columns."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    text: str = Field(min_length=1, max_length=2 * MAX_CHARACTERS)  # placeholders can be longer than what they replace
    severity: str
    owner: str
    queue: str
    issue_type: str
    issue_type_known: bool
    who: str = Field(min_length=1, max_length=MAX_WHO)
    note: str | None = Field(max_length=2 * MAX_NOTE)
    created_at: AwareDatetime
    routing_id: str | None
    model_version: str | None
    wrong_severity: str | None
    wrong_owner: str | None
    wrong_queue: str | None
    wrong_issue_type: str | None


COLUMNS = tuple(_Line.model_fields)


def write_corrections(target: Path, corrections: Iterable[Correction]) -> int:
    """Write corrections to a `.csv` or `.jsonl` file, which appears whole or not at all.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    InputError
        When the file cannot be written or ends otherwise.
    """
    write = _write_csv if _is_csv(target) else _write_lines
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                count = write(file, corrections)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError("file", f"{target} cannot be written: {error.strerror or error}") from error
    return count


def read_corrections(source: Path, matrix: Matrix) -> Iterator[Correction]:
    """Read the corrections of a file that `write_corrections` wrote.

    Raises
    ------
    InputError
        When the file or a line of it cannot be taken; names line and field.
    """
    read = _read_csv if _is_csv(source) else _read_lines
    try:
        with source.open(encoding="utf-8-sig", newline="" if _is_csv(source) else "\n") as file:
            for line, row in read(file):
                try:
                    yield _correction(row, matrix)
                except ValidationError as error:
                    first = error.errors(include_input=False, include_url=False)[0]
                    field = ".".join(map(str, first["loc"])) or "line"
                    raise InputError("file", f"{source}, line {line}, {field}: {first['msg']}") from None
                except InputError as error:
                    raise InputError("file", f"{source}, line {line}, {error}") from None
    except OSError as error:
        raise InputError("file", f"{source} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError("file", f"{source} is not UTF-8: {error.reason} at byte {error.start}") from None
    except ValueError as error:
        raise InputError("file", f"{source}, {error}") from None


def _correction(row: Any, matrix: Matrix) -> Correction:
    fields = _Line.model_validate(row).model_dump()
    wrong = [fields[name] for name in COLUMNS if name.startswith("wrong_")]
    if None in wrong and set(wrong) != {None}:
        raise InputError("wrong_severity", "of the wrong labels, give all or none")
    fields["text"] = redact(storable(fields["text"]))
    fields["note"] = checked_note(fields["note"])
    correction = Correction.from_row(fields)
    check(correction.labels, matrix)
    return correction


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".jsonl"):
        raise InputError("file", f"{path} ends neither with .csv nor with .jsonl")
    return suffix == ".csv"


def _row(correction: Correction) -> dict[str, Any]:
    row = correction.as_row()
    return {**row, "created_at": row["created_at"].isoformat(timespec="microseconds")}


def _write_csv(file: IO[str], corrections: Iterable[Correction]) -> int:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    count = 0
    for correction in corrections:
        count += 1
        writer.writerow(_row(correction))
    return count


def _write_lines(file: IO[str], corrections: Iterable[Correction]) -> int:
    count = 0
    for correction in corrections:
        count += 1
        file.write(json.dumps(_row(correction), ensure_ascii=False) + "\n")
    return count


def _read_csv(file: IO[str]) -> Iterator[tuple[int, Any]]:
    try:
        reader = csv.DictReader(file, restkey="more columns than the header", strict=True)
        for row in reader:
            yield reader.line_num, {name: value or None for name, value in row.items()}
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: no CSV: {error}") from None


def _read_lines(file: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}: no JSON: {error.msg}") from None
