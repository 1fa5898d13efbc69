"""What the API takes and answers, as types; the OpenAPI description is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from model.router import Routing

_LATEST_YEAR = 9998  # deadlines are counted from it, and a year past 9999 does not exist


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("write an ISO 8601 date and time, such as 2026-03-01T10:00:00Z")
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("write an ISO 8601 date and time, such as 2026-03-01T10:00:00Z") from None
    if read.year > _LATEST_YEAR:
        raise ValueError(f"the year must not be after {_LATEST_YEAR}")
    return read if read.tzinfo else read.replace(tzinfo=UTC)


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": "ISO 8601; UTC where no offset is given",
            "examples": ["2026-03-01T10:00:00Z"],
        }
    ),
]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty; write what is wrong")
    return text


Words = Annotated[str, AfterValidator(_not_blank), WithJsonSchema({"type": "string", "pattern": r"\S"})]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RouteRequest(_Body):
    """One issue description to route."""

    text: Annotated[Words, Field(description="What the customer wrote, in any form")]
    region: Annotated[str | None, Field(description="Whose support contacts to name")] = None
    opened_at: Annotated[Instant | None, Field(description="When the ticket was opened; now by default")] = None


class BatchRequest(_Body):
    """Several issue descriptions of one region and opening time; an empty one is sent to a person."""

    texts: Annotated[list[str], Field(min_length=1, description="What the customers wrote")]
    region: str | None = None
    opened_at: Instant | None = None


class CorrectionRequest(_Body):
    """What a person says the labels should have been; name the routing, or give the text."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["routing_id"],
                    "properties": {"routing_id": {"type": "string"}, "text": {"type": "null"}},
                },
                {"required": ["text"], "properties": {"text": {"type": "string"}, "routing_id": {"type": "null"}}},
            ]
        }
    )

    routing_id: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{32}$", description="`id` of the routing that was wrong")
    ] = None
    text: Annotated[Words | None, Field(description="The text, where no routing is named")] = None
    severity: str | None = None
    owner: str | None = None
    queue: str | None = None
    issue_type: str | None = None
    who: Annotated[str, Field(max_length=100, description="Who says so")] = "unknown"
    note: Annotated[str, Field(max_length=2000)] = ""


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class ConfidenceReply(_Reply):
    """Calibrated probability that each label is right; null where nobody estimated one."""

    severity: float | None
    owner: float | None
    queue: float | None


class AlternativeReply(_Reply):
    """Other labels that were considered."""

    issue_type: str
    severity: str
    owner: str
    queue: str
    probability: float


class EvidenceReply(_Reply):
    """Words that moved the decision: `text[start:end]`, in code points."""

    words: str
    start: int
    end: int
    label: str
    weight: float


class TargetsReply(_Reply):
    """By when to respond and resolve."""

    respond_minutes: int
    resolve_minutes: int
    respond_by: datetime | None
    resolve_by: datetime | None


class ContactReply(_Reply):
    """Whom to call at one level, in minutes from the opening; `until_minutes` is null for an open end."""

    level: int
    name: str
    role: str | None
    email: str | None
    phone: str | None
    after_minutes: int
    until_minutes: int | None


class RouteReply(_Reply):
    """Where the issue goes, by when, who to call, and why."""

    id: str
    severity: str
    owner: str
    queue: str
    issue_type: str
    impact: str | None
    confidence: ConfidenceReply
    needs_review: bool
    review_reasons: list[str]
    decided_by: Literal["model", "rules", "default", "person"]
    rule: str | None
    explanation: str
    alternatives: list[AlternativeReply]
    evidence: list[EvidenceReply]
    targets: TargetsReply
    escalation: list[ContactReply]
    model_version: str | None


class BatchReply(_Reply):
    """One result for each text, in order."""

    results: list[RouteReply]


class CorrectionReply(_Reply):
    """The correction as it was recorded."""

    id: int | str
    severity: str
    owner: str
    queue: str
    issue_type: str
    who: str
    created_at: datetime
    model_version: str | None


class ModelReply(_Reply):
    """The model that serves, with how well it does on authors whom it has not read."""

    version: str | None
    problem: str
    manifest: dict[str, Any] | None


class HealthReply(_Reply):
    """Whether the process answers, and what is amiss."""

    status: Literal["ok", "degraded"]
    problems: list[str] = []
    model_version: str | None = None


class FieldError(_Reply):
    """One field of the request and what is wrong with it."""

    field: str
    message: str


class Problem(_Reply):
    """An error as RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


def route_reply(routing: Routing) -> RouteReply:
    """Return a routing as the API and the command line print it."""
    decision = routing.decision
    nothing = ConfidenceReply(severity=None, owner=None, queue=None)
    return RouteReply(
        id=routing.id,
        severity=decision.labels.severity,
        owner=decision.labels.owner,
        queue=decision.labels.queue,
        issue_type=decision.labels.issue_type,
        impact=decision.impact,
        confidence=ConfidenceReply.model_validate(decision.confidence) if decision.confidence else nothing,
        needs_review=decision.needs_review,
        review_reasons=list(decision.review_reasons),
        decided_by=decision.decided_by,
        rule=decision.rule,
        explanation=decision.explanation,
        alternatives=[AlternativeReply.model_validate(a) for a in decision.alternatives],
        evidence=[EvidenceReply.model_validate(e) for e in decision.evidence],
        targets=TargetsReply.model_validate(routing.targets),
        escalation=[ContactReply.model_validate(c) for c in routing.escalation],
        model_version=decision.model_version,
    )
