"""Random damage to codes: none of it may verify as something else, or break a reader."""

import random

import _issuing as made

from twinstile.credentials import offline
from twinstile.credentials.codecs import hcert, shc, vds_nc
from twinstile.credentials.trust import TrustList
from twinstile.credentials.types import Assessment, Context, Scheme

_ANY = "".join(map(chr, range(32, 127))) + "\0\n\u00e9\u6f22\ud800"


def tried(code: str, listed: TrustList, context: Context, times: int, *, seed: int) -> int:
    """How many mutations were tried; raises for one that verifies as other signed content."""
    dice = random.Random(seed)
    own = signed(code)
    for _ in range(times):
        mutant = mutated(code, dice)
        found = offline.verify(mutant, listed, context)
        if is_verified(found) and signed(mutant) != own:
            raise SystemExit(f"a mutation verifies: {mutant!r}")
    return times


def is_verified(found: Assessment) -> bool:
    return found.outcome is made.GENUINE


def signed(code: str) -> tuple[bytes, ...]:
    """What the signatures of a code are over."""
    match offline.detect(code):
        case Scheme.HCERT:
            return (hcert.read(code).signed,)
        case Scheme.VDS_NC:
            return (vds_nc.read(code).message.signed,)
        case _ if '"verifiableCredential"' in code:
            return tuple(shc.read(card).signed for card in shc.cards(code))
        case _:
            return (shc.read(code).signed,)


def mutated(code: str, dice: random.Random) -> str:
    """One to three places changed, dropped, doubled, swapped or filled."""
    characters = list(code)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(characters))
        match dice.randrange(6):
            case 0:
                characters[place] = dice.choice(_ANY)
            case 1:
                characters[place] = dice.choice(code)  # of the alphabet of the code itself
            case 2 if len(characters) > 1:
                del characters[place]
            case 3:
                characters.insert(place, dice.choice(code))
            case 4:
                other = dice.randrange(len(characters))
                characters[place], characters[other] = characters[other], characters[place]
            case _:
                end = min(len(characters), place + dice.randint(1, 40))
                characters[place:end] = dice.choices(code, k=dice.randint(0, 40)) or ["A"]
    return "".join(characters)
