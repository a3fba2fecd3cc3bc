"""The state machines as Mermaid text: `python3 dev.py states` writes docs/state-machines.md."""

import sys

from twinstile.cases.machine import MACHINE as CASE_MACHINE
from twinstile.platform.ops.state_machine import mermaid
from twinstile.screening import words
from twinstile.screening.stages import MACHINE
from twinstile.screening.words import Language

_PAGE = """\
# State machines

Written by `python3 dev.py states` from the tables the service runs on. In brackets stands who
may cause an event: a duty, or `policy` (a rule), `system` (a feed or the service) and `timer`
(the deadline of the state). Every screening begins as expected, also of a traveller on no list.

## A screening

```mermaid
{screening}
```

## 旅客查验流程

```mermaid
{screening_zh}
```

## A case

```mermaid
{case}
```
"""


def screening(language: Language) -> str:
    """The machine of a screening in one language."""
    states = {state: phrase.in_language(language) for state, phrase in words.STATES.items()}
    events = {event: phrase.in_language(language) for event, phrase in words.EVENTS.items()}
    return mermaid(MACHINE, states, events)


def page() -> str:
    """The whole document, as docs/state-machines.md holds it."""
    return _PAGE.format(
        screening=screening(Language.EN),
        screening_zh=screening(Language.ZH_CN),
        case=mermaid(CASE_MACHINE),
    )


if __name__ == "__main__":
    sys.stdout.write(page())
