"""The duties a person can have at a hub.

A role is a duty, not a rank: a duty commander may not lower a medical suspicion, and a medic
may not switch the hub into surge mode.
"""

from enum import StrEnum


class Role(StrEnum):
    SCREENER = "screener"
    MEDIC = "medic"
    ASSISTANT = "assistant"
    SUPERVISOR = "supervisor"
    DUTY_COMMANDER = "duty_commander"
    EPIDEMIOLOGIST = "epidemiologist"
    ADMINISTRATOR = "administrator"
