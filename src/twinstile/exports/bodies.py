"""Bodies of the answers about a period."""

from datetime import datetime

from pydantic import Field

from twinstile.cases.types import Disposition
from twinstile.platform.http.field_types import Answer
from twinstile.platform.security.hub_modes import HubMode
from twinstile.screening.types import Ground


class SentAnswer(Answer):
    final: int = Field(description="cases whose last disposition this is")
    ever: int = Field(description="cases that had it at any time")


class TalliedAnswer(Answer):
    """People whom somebody counted at a lane while the service was away."""

    lane_hours: int = Field(description="tallies; one is of a lane within an hour")
    passed: int
    fever_suspected: int
    refused: int
    not_screened: int


class HelpAnswer(Answer):
    """Help at the service desk, for those whose passage began at one kind of lane."""

    screenings: int = Field(description="with at least one check")
    assisted: int = Field(description="those that needed help (`ASSISTED`)")
    share: float | None = Field(description="assisted of screenings, 0 to 1; null: none began")
    ended: int = Field(
        description="of those assisted, whose help is over; the waits are theirs"
    )
    wait_median_s: int | None = Field(
        description="seconds from when help was first needed to when it last ended"
    )
    wait_p95_s: int | None


class DeparturesAnswer(Answer):
    """From the opening of a case to when the first vehicle had left with the patient."""

    cases: int = Field(description="cases whose patient left; the times are theirs")
    p50_s: int | None = Field(description="seconds; null: nobody left")
    p90_s: int | None
    p95_s: int | None


class FollowedUpAnswer(Answer):
    """Contacts of the schedules of these cases."""

    due: int = Field(
        description="were to be made by `as_of`, or were made or tried before;"
        " not those that a case which went on left undone"
    )
    made: int = Field(description="of these, those by which somebody was reached")
    made_24h: int = Field(description="of these, within 24 hours of when they were due")
    completion: float | None = Field(
        description="`made_24h` of `due`, 0 to 1; null when none was due"
    )


class PeriodAnswer(Answer):
    mode: HubMode
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    as_of: datetime = Field(description="the counts are of what was known then")
    person_times_checked: int = Field(description="screenings with at least one check")
    checks: int = Field(description="checks of these screenings")
    travellers: int = Field(
        description="distinct persons checked; a screening without a document counts as one"
    )
    cleared: int = Field(description="screenings that ended cleared, with or without terms")
    referred: int = Field(description="screenings that went to a second check")
    fever_patients: int = Field(description="distinct persons with a case")
    cases: int = Field(description="cases opened")
    deferred: int = Field(description="screenings that were put off at any time")
    deferred_closed_24h: int = Field(
        description="of these, settled by data or by the person within 24 hours, every time"
    )
    deferred_unresolved: int = Field(description="of these, left to the commander by the clock")
    no_show: int = Field(description="expected, and not there when the run was closed")
    complete_222: int = Field(description="checked person-times with all of 2-2-2")
    completeness_222: float | None = Field(
        description="their share of the checked person-times, 0 to 1; null when there are none"
    )
    dispositions: dict[Disposition, SentAnswer]
    undisposed: int = Field(
        description="cases that were sent nowhere yet: with the finals they make up `cases`"
    )
    tallied: TalliedAnswer = Field(description="counted in outages, and in no other figure")
    assisted: dict[str, HelpAnswer] = Field(
        description="by kind of the lane where a passage began; NONE: no lane is known"
    )
    overrides: dict[Ground, int] = Field(
        description="deviations of the period from what was decided, by ground"
    )
    departures: DeparturesAnswer = Field(description="how soon the patients left the hub")
    follow_ups: FollowedUpAnswer = Field(description="contacts with them since")
