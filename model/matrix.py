"""The escalation matrix as typed, validated data."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.errors import MatrixError, UnknownRegionError

Name = Annotated[str, Field(min_length=1)]
Minutes = Annotated[int, Field(gt=0, description="minutes")]


class Entry(BaseModel):
    """A frozen table of the matrix; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Severity(Entry):
    """One severity with its deadlines in minutes, around the clock."""

    id: Name
    name: Name
    definition: Name
    example: str
    respond_minutes: Minutes
    resolve_minutes: Minutes


class Owner(Entry):
    """Who owns an issue."""

    id: Name
    description: Name


class IssueType(Entry):
    """One documented row: an issue type with its owner, severity and queue."""

    id: Name
    description: Name
    owner: Name
    severity: Name
    queue: Name


class OwnerQueue(Entry):
    """An owner and a queue that go together."""

    owner: Name
    queue: Name


class Undocumented(Entry):
    """What matches no documented row."""

    id: Name
    owner: Name
    queue: Name
    severity: Name
    also: tuple[OwnerQueue, ...] = ()


class Impact(Entry):
    """What a text states as fact about the reach of a fault, and the severity that follows."""

    id: Name
    description: Name
    becomes: dict[str, str] = {}
    severity: str | None = None
    rows: tuple[str, ...] | None = None
    except_rows: tuple[str, ...] = ()
    needs_review: bool = False

    def applies_to(self, issue_type: str) -> bool:
        """Say whether this impact makes sense for the issue type."""
        return issue_type not in self.except_rows and (self.rows is None or issue_type in self.rows)


class Level(Entry):
    """One published escalation level of a desk."""

    level: Annotated[int, Field(ge=1)]
    published: Name
    after_minutes: Annotated[int, Field(ge=0)]
    until_minutes: Annotated[int, Field(gt=0)] | None = None
    name: Name
    role: str | None = None
    email: str | None = None
    phone: str | None = None
    phone_kind: str | None = None
    regional: bool = False


class Desk(Entry):
    """A desk: the queue it works and its escalation levels."""

    queue: Name
    title: Name
    email: str | None = None
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]


class Number(Entry):
    """A phone number with its kind."""

    kind: Name
    number: Name


class Region(Entry):
    """Where a customer calls from, with the mail and numbers of its support desk."""

    id: Name
    email: str | None = None
    numbers: Annotated[tuple[Number, ...], Field(min_length=1)]


Identified = TypeVar("Identified", Severity, IssueType, Impact)


class Contact(Entry):
    """Whom to call at one escalation level, and from when to when.

    `after_minutes` and `until_minutes` count from the opening of the ticket; `until_minutes` is `None` for the
    last level.
    """

    level: int
    name: str
    role: str | None
    email: str | None
    phone: str | None
    after_minutes: int
    until_minutes: int | None


class Targets(Entry):
    """By when to respond and resolve; the instants are `None` when the opening time is unknown."""

    respond_minutes: int
    resolve_minutes: int
    respond_by: datetime | None
    resolve_by: datetime | None


class Matrix(Entry):
    """Everything that the router knows about one company.

    Load it with `load_matrix`; every reference between tables holds in a loaded matrix.
    """

    company: Name
    product: Name
    default_region: Name
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)]
    owners: Annotated[tuple[Owner, ...], Field(min_length=1)]
    issue_types: Annotated[tuple[IssueType, ...], Field(min_length=1)]
    undocumented: Undocumented
    impacts: Annotated[tuple[Impact, ...], Field(min_length=1)]
    desks: Annotated[tuple[Desk, ...], Field(min_length=1)]
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        problems = [*_duplicates(self), *_dangling(self), *_bad_levels(self), *_unreachable(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def severity_ids(self) -> tuple[str, ...]:
        """Severity ids, most severe first."""
        return tuple(s.id for s in self.severities)

    @cached_property
    def owner_ids(self) -> tuple[str, ...]:
        """Owner ids."""
        return tuple(o.id for o in self.owners)

    @cached_property
    def queue_ids(self) -> tuple[str, ...]:
        """Queue names, one per desk."""
        return tuple(d.queue for d in self.desks)

    @cached_property
    def issue_type_ids(self) -> tuple[str, ...]:
        """Ids of the documented issue types, and last the undocumented one."""
        return (*(t.id for t in self.issue_types), self.undocumented.id)

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The values of each label, by its name."""
        return {
            "severity": self.severity_ids,
            "owner": self.owner_ids,
            "queue": self.queue_ids,
            "issue_type": self.issue_type_ids,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides labels: a model belongs to a matrix with the same digest.

        Contacts, deadlines and wording may change without retraining, so they do not count.
        """
        parts: list[object] = [self.severity_ids, self.owner_ids, self.queue_ids]
        parts += [(t.id, t.owner, t.severity, t.queue) for t in self.issue_types]
        parts += [self.undocumented.model_dump_json()]
        parts += [i.model_dump_json(exclude={"description"}) for i in self.impacts]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def severity(self, severity_id: str) -> Severity:
        """Return the severity with this id; `KeyError` when there is none."""
        return _by_id(self.severities, severity_id)

    def issue_type(self, issue_type_id: str) -> IssueType | None:
        """Return the documented row with this id, or `None` for the undocumented one."""
        if issue_type_id == self.undocumented.id:
            return None
        return _by_id(self.issue_types, issue_type_id)

    def impact(self, impact_id: str) -> Impact:
        """Return the impact with this id; `KeyError` when there is none."""
        return _by_id(self.impacts, impact_id)

    def row_severity(self, issue_type_id: str) -> str:
        """Return the severity that the matrix prints for an issue type."""
        row = self.issue_type(issue_type_id)
        return row.severity if row else self.undocumented.severity

    def owner_queues(self, issue_type_id: str) -> tuple[OwnerQueue, ...]:
        """Return the pairs of owner and queue that an issue type can have, the usual one first."""
        row = self.issue_type(issue_type_id)
        if row:
            return (OwnerQueue(owner=row.owner, queue=row.queue),)
        usual = OwnerQueue(owner=self.undocumented.owner, queue=self.undocumented.queue)
        return (usual, *self.undocumented.also)

    def allows(self, severity: str, owner: str, queue: str, issue_type: str) -> bool:
        """Say whether the matrix knows these labels and lets owner and queue go with the issue type."""
        if issue_type not in self.issue_type_ids or severity not in self.severity_ids:
            return False
        return (owner, queue) in [(pair.owner, pair.queue) for pair in self.owner_queues(issue_type)]

    def impact_family(self, issue_type_id: str) -> str:
        """Return the first of the issue types to which the same impacts apply as to this one.

        `KeyError` when there is no such issue type.
        """
        return self._impact_families[issue_type_id]

    @cached_property
    def impact_families(self) -> tuple[str, ...]:
        """Every family that `impact_family` names."""
        return tuple(dict.fromkeys(self._impact_families.values()))

    @cached_property
    def _impact_families(self) -> dict[str, str]:
        first: dict[tuple[bool, ...], str] = {}
        return {
            issue_type: first.setdefault(tuple(i.applies_to(issue_type) for i in self.impacts), issue_type)
            for issue_type in self.issue_type_ids
        }

    def severity_after(self, issue_type_id: str, impact_id: str) -> str | None:
        """Return the severity of an issue type under an impact, `None` when the impact does not apply to it."""
        impact = self.impact(impact_id)
        if not impact.applies_to(issue_type_id):
            return None
        base = self.row_severity(issue_type_id)
        return impact.severity or impact.becomes.get(base, base)

    def impact_for(self, issue_type_id: str, severity_id: str) -> str | None:
        """Return the first impact that gives an issue type this severity, `None` when none does."""
        for impact in self.impacts:
            if self.severity_after(issue_type_id, impact.id) == severity_id:
                return impact.id
        return None

    def region(self, region_id: str | None) -> Region:
        """Return a region by its id in any case, the default one for `None`.

        Raises
        ------
        UnknownRegionError
            When the matrix has no such region; the message lists those that it has.
        """
        wanted = (region_id or self.default_region).strip().casefold()
        for region in self.regions:
            if region.id.casefold() == wanted:
                return region
        known = ", ".join(r.id for r in self.regions)
        raise UnknownRegionError("region", f"unknown region {region_id!r}; the matrix has {known}")

    def targets(self, severity_id: str, opened_at: datetime | None) -> Targets:
        """Return the deadlines of a severity, counted around the clock from `opened_at`."""
        severity = self.severity(severity_id)
        return Targets(
            respond_minutes=severity.respond_minutes,
            resolve_minutes=severity.resolve_minutes,
            respond_by=opened_at and opened_at + timedelta(minutes=severity.respond_minutes),
            resolve_by=opened_at and opened_at + timedelta(minutes=severity.resolve_minutes),
        )

    def escalation(self, queue: str, region_id: str | None = None) -> tuple[Contact, ...]:
        """Return whom to call at each level of the desk that works a queue.

        Where the published intervals leave a gap, a level holds until the next one begins, the first from minute 0.
        """
        region = self.region(region_id)
        levels = next(d for d in self.desks if d.queue == queue).levels
        starts = [0, *(level.after_minutes for level in levels[1:])]
        ends = [*starts[1:], levels[-1].until_minutes]
        return tuple(
            Contact(
                level=level.level,
                name=level.name,
                role=level.role,
                email=region.email if level.regional else level.email,
                phone=region.numbers[0].number if level.regional else level.phone,
                after_minutes=start,
                until_minutes=end,
            )
            for level, start, end in zip(levels, starts, ends, strict=True)
        )


def load_matrix(path: Path) -> Matrix:
    """Read and validate a matrix file.

    Parameters
    ----------
    path : Path
        A TOML file with the tables of `Matrix`.

    Returns
    -------
    Matrix

    Raises
    ------
    MatrixError
        When the file is missing, no TOML, or breaks a rule; the message names file, table and key.
    """
    try:
        with path.open("rb") as file:
            return Matrix.model_validate(tomllib.load(file))
    except OSError as error:
        raise MatrixError(f"{path}: the matrix cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        details = "; ".join(_locate(e["loc"], e["msg"]) for e in error.errors())
        raise MatrixError(f"{path}: {details}") from error


def _locate(loc: tuple[int | str, ...], message: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    message = message.removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _by_id(entries: tuple[Identified, ...], wanted: str) -> Identified:
    for entry in entries:
        if entry.id == wanted:
            return entry
    raise KeyError(wanted)


def _duplicates(matrix: Matrix) -> list[str]:
    problems = []
    tables = {
        "severities": matrix.severity_ids,
        "owners": matrix.owner_ids,
        "issue_types": matrix.issue_type_ids,
        "impacts": tuple(i.id for i in matrix.impacts),
        "desks": matrix.queue_ids,
        "regions": tuple(r.id.casefold() for r in matrix.regions),
    }
    for table, ids in tables.items():
        problems += [f"{table}: {i!r} stands twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    return problems


def _dangling(matrix: Matrix) -> list[str]:
    rows = matrix.issue_type_ids
    wanted: list[tuple[str, str, tuple[str, ...]]] = []
    for n, row in enumerate(matrix.issue_types):
        wanted += [(f"issue_types[{n}].severity", row.severity, matrix.severity_ids)]
        wanted += _pair(f"issue_types[{n}]", row, matrix)
    wanted += [("undocumented.severity", matrix.undocumented.severity, matrix.severity_ids)]
    wanted += _pair("undocumented", matrix.undocumented, matrix)
    for n, pair in enumerate(matrix.undocumented.also):
        wanted += _pair(f"undocumented.also[{n}]", pair, matrix)
    for n, impact in enumerate(matrix.impacts):
        severities = [*impact.becomes, *impact.becomes.values(), *([impact.severity] if impact.severity else [])]
        wanted += [(f"impacts[{n}].becomes/severity", s, matrix.severity_ids) for s in severities]
        wanted += [(f"impacts[{n}].rows", r, rows) for r in (*(impact.rows or ()), *impact.except_rows)]
    wanted += [("default_region", matrix.default_region, tuple(r.id for r in matrix.regions))]
    return [f"{key}: {value!r} is not one of {', '.join(known)}" for key, value, known in wanted if value not in known]


def _pair(
    key: str, entry: IssueType | Undocumented | OwnerQueue, matrix: Matrix
) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(f"{key}.owner", entry.owner, matrix.owner_ids), (f"{key}.queue", entry.queue, matrix.queue_ids)]


def _bad_levels(matrix: Matrix) -> list[str]:
    problems = []
    for n, desk in enumerate(matrix.desks):
        starts = [level.after_minutes for level in desk.levels]
        if starts != sorted(set(starts)):
            problems.append(f"desks[{n}].levels: after_minutes must rise from level to level")
        problems += [
            f"desks[{n}].levels[{k}].until_minutes: must lie after after_minutes"
            for k, level in enumerate(desk.levels)
            if level.until_minutes is not None and level.until_minutes <= level.after_minutes
        ]
    return problems


def _unreachable(matrix: Matrix) -> list[str]:
    return [
        f"impacts: none of them keeps the row {row!r} at its own severity"
        for row in matrix.issue_type_ids
        if _by_row_severity(matrix, row) is None
    ]


def _by_row_severity(matrix: Matrix, row: str) -> str | None:
    try:
        return matrix.impact_for(row, matrix.row_severity(row))
    except KeyError:
        return row  # a dangling reference, already named by `_dangling`
