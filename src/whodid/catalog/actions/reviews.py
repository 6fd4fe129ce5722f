"""Reviews of the log by people. The resource is the log of the workspace."""

from __future__ import annotations

from typing import Any

from whodid.catalog.actions._story import AISHA, LOG, MADRID, said
from whodid.catalog.catalog import Action, Wording

_FACTS: dict[str, Any] = {
    "review": 7,
    "start": 1204,
    "stop": 3051,
    "since": "2026-11-13T08:00:12.000000Z",
    "until": "2026-11-20T08:02:40.000000Z",
    "size": 3051,
    "root": "6c1f0e7d2b8a4935c0de11f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6",
    "sample": {"rule": "lowest-sha256/1", "of": 1790, "entries": "1251,1402,2077"},
}

ACTIONS = (
    Action(
        name="audit.review_started",
        kind="security",
        severity="notice",
        resource_type="log",
        label={"en": "Review begun", "es": "Revisión iniciada"},
        sentences={
            "en": Wording(
                success=("{actor} began review {review} of the log", "{actor} began a review of the log"),
                denied="{actor} was not allowed to begin a review of the log",
                failed="{actor} tried to begin a review of the log without success",
            ),
            "es": Wording(
                success=(
                    "{actor} inició la revisión {review} del registro",
                    "{actor} inició una revisión del registro",
                ),
                denied="{actor} no tuvo permiso para iniciar una revisión del registro",
                failed="{actor} intentó sin éxito iniciar una revisión del registro",
            ),
        },
        parts={"review": "details.review"},
        example=said(
            65,
            "2026-11-20T08:02:40.118Z",
            "audit.review_started",
            AISHA,
            LOG,
            details={**_FACTS, "items": 42},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.review_signed",
        kind="security",
        severity="notice",
        resource_type="log",
        label={"en": "Review signed", "es": "Revisión firmada"},
        sentences={
            "en": Wording(
                success=("{actor} signed review {review} of the log", "{actor} signed a review of the log"),
                denied="{actor} was not allowed to sign a review of the log",
                failed="{actor} tried to sign a review of the log without success",
            ),
            "es": Wording(
                success=("{actor} firmó la revisión {review} del registro", "{actor} firmó una revisión del registro"),
                denied="{actor} no tuvo permiso para firmar una revisión del registro",
                failed="{actor} intentó sin éxito firmar una revisión del registro",
            ),
        },
        parts={"review": "details.review"},
        example=said(
            66,
            "2026-11-20T08:41:05.906Z",
            "audit.review_signed",
            AISHA,
            LOG,
            details={
                **_FACTS,
                "begun_at": "2026-11-20T08:02:40.100000Z",
                "counts": {"access": 2, "export": 1, "sample": 39, "seen": 42, "unseen": 0, "raised": 0, "own": 0},
                "items": [
                    {
                        "why": "access",
                        "entries": "1822",
                        "seen": "2026-11-20T08:05:31.000000Z",
                        "by": "user:usr_1A",
                        "comment": "Agreed with João on Friday",
                    },
                ],
            },
            reason={"text": "Nothing unusual"},
            context=MADRID,
        ),
    ),
)
