"""The gate tablet's files: an offline-first page of ES modules, without a build step.

The page decides by itself (`files/gate/decide.js`). Words and tables that the service has are
not written a second time: `tables.js` is made of them.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from twinstile.arrivals.records import ALERTS
from twinstile.platform.http.routes import RuntimeDep
from twinstile.policy import areas
from twinstile.policy.areas import Level, Relation
from twinstile.screening import claims, intake, machine, parties, rules
from twinstile.screening.claim_words import SampleKind, SampleResult, Tristate
from twinstile.screening.types import Outcome, Reason, ScreeningEvent, ScreeningState, Verdict
from twinstile.screening.words import BEYOND_POLICY, Language, Phrase
from twinstile.web import assets, catalogue

router = APIRouter(prefix="/gate", include_in_schema=False)

SPOKEN: Final = "gate."
"""How the keys of the tablet's words begin."""
ELSEWHERE: Final = ("/pages/favicon.svg", "/pages/words.js")
"""Files of all pages that this one needs."""
WORKER: Final = "sw.js"
DECODER: Final = "decoder.js"
"""What the tablet asks an add-on for: `detect(image)` gives the texts of the codes in it."""
NO_DECODER: Final = b"export const detect = null;\n"
WITH_WASM: Final = "script-src 'self' 'wasm-unsafe-eval'"
PAGE: Final = assets.OWN / "gate" / "index.html"
_worker: Final = assets.OWN / "gate" / WORKER
FILES: Final = {
    name: file
    for name, file in assets.handed_out(assets.OWN / "gate").items()
    if name != WORKER
}


def tables() -> Mapping[str, object]:
    """What the tablet must know of the service's words, by the name it is exported under."""
    return {
        "OUTCOMES": list(Outcome),
        "VERDICTS": list(Verdict),
        "CONCLUDED": {
            state: {outcome: _concluded(state, outcome) for outcome in Outcome}
            for state in ScreeningState
        },
        "TERMINAL": sorted(machine.TERMINAL),
        "PASSED": sorted(machine.PASSED),
        "RELEASABLE": sorted(
            state
            for state in ScreeningState
            if ScreeningEvent.FUSE_RELEASE in machine.edges(state)
        ),
        "SUSPECT": sorted(parties.SUSPECT),
        "WAITING": sorted(parties.WAITING),
        "MOST_PEOPLE": parties.MOST_PEOPLE,
        "MINOR_BELOW": intake.MINOR_BELOW,
        "MARKED": {mark: _reason(why) for mark, why in rules.MARKED.items()},
        "ALERTS": sorted(ALERTS),
        "RED": sorted(rules.RED),
        "EMERGENCY": _reason(rules.CARE_FIRST),
        "RELEASE_FORBIDDEN": _reason(rules.RELEASE_FORBIDDEN),
        "LEVELS": list(Level),
        "RELATIONS": list(Relation),
        "TRISTATES": list(Tristate),
        "SAMPLE_KINDS": list(SampleKind),
        "SAMPLE_RESULTS": list(SampleResult),
        "AREA_PATTERN": areas.PATTERN,
        "HOME_COUNTRY": areas.HOME_COUNTRY,
        "NEVER": claims.NEVER,
        "TEXTS": {code: _said(phrase) for code, phrase in BEYOND_POLICY.items()},
    }


def _concluded(state: ScreeningState, outcome: Outcome) -> tuple[str, str]:
    """What the lane shows, and the state a screening is in then."""
    decision = machine.conclude(state, outcome, (), "")
    return decision.verdict, decision.state


def _reason(reason: Reason) -> Mapping[str, str]:
    return {"rule_id": reason.rule_id, "code": reason.code}


def _said(phrase: Phrase) -> Mapping[str, str]:
    return {language: phrase.in_language(language) for language in Language}


@cache
def _tables_script() -> bytes:
    lines = (f"export const {name} = {json.dumps(held)};" for name, held in tables().items())
    return "\n".join(["// Made by the service of its own tables.", *lines, ""]).encode()


@cache
def _words_file() -> bytes:
    """The tablet's part of the catalogue, in every language, each with its name."""
    held: list[Mapping[str, object]] = []
    for locale in catalogue.locales():
        words = catalogue.words_of(locale)
        own = (
            (k.removeprefix(SPOKEN), v) for k, v in words.texts.items() if k.startswith(SPOKEN)
        )
        held.append({"locale": locale, "texts": {**dict(own), "language": words.name}})
    return json.dumps(held, ensure_ascii=False).encode()


@cache
def _addon(folder: Path) -> Mapping[str, Traversable]:
    """The operator's own files that read codes; nothing where there is no such folder."""
    return assets.handed_out(folder) if folder.is_dir() else {}


@cache
def _worker_script(folder: Path) -> bytes:
    """The service worker, which fetches the files anew when any of them has changed."""
    held = {name: file.read_bytes() for name, file in FILES.items()}
    held |= {name: made() for name, made in MADE.items()}
    addon = {DECODER: NO_DECODER}
    addon |= {name: file.read_bytes() for name, file in _addon(folder).items()}
    held |= {f"addon/{name}": content for name, content in addon.items()}
    held |= {"": PAGE.read_bytes(), WORKER: _worker.read_bytes()}
    version = hashlib.sha256()
    for name in sorted(held):
        version.update(f"{name}\0{len(held[name])}\0".encode() + held[name])
    for path in ELSEWHERE:
        version.update((assets.OWN / path.rpartition("/")[2]).read_bytes())
    paths = [*(f"/gate/{name}" for name in sorted(held) if name != WORKER), *ELSEWHERE]
    begin = f"const VERSION = {json.dumps(version.hexdigest()[:16])};\n"
    return f"{begin}const FILES = {json.dumps(paths)};\n".encode() + held[WORKER]


MADE: Final = {"tables.js": _tables_script, "words.json": _words_file}


@router.get("/")
async def read_page(runtime: RuntimeDep) -> Response:
    wasm = any(name.endswith(".wasm") for name in _addon(runtime.settings.decoder_path))
    return assets.page(
        "gate/index.html",
        WITH_WASM if wasm else "script-src 'self'",
        *(f"{of}-src 'self'" for of in ("style", "img", "connect", "manifest", "worker")),
    )


@router.get(f"/{WORKER}")
async def read_worker(runtime: RuntimeDep) -> Response:
    script = _worker_script(runtime.settings.decoder_path)
    answer = assets.content(script, "text/javascript", "connect-src 'self'")
    answer.headers["cache-control"] = "no-cache"
    return answer


@router.get("/addon/{name}")
async def read_addon(runtime: RuntimeDep, name: str) -> Response:
    """A file of the add-on; without one, a decoder that says there is none."""
    found = _addon(runtime.settings.decoder_path)
    if name == DECODER and name not in found:
        return assets.content(NO_DECODER, "text/javascript")
    return assets.of(found, name)


@router.get("/{name}")
async def read_file(name: str) -> Response:
    """A file of the tablet, by its name."""
    made = MADE.get(name)
    if made is None:
        return assets.of(FILES, name)
    return assets.content(made(), assets.TYPES[name.rpartition(".")[2]])
