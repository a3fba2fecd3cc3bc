"""Online providers as a hub has them, beside the simulators of `twinstile.demo.codes`."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from twinstile.credentials.providers import settings
from twinstile.credentials.providers.online import Online
from twinstile.credentials.types import Subject
from twinstile.demo.codes import Code, Simulator, simulated
from twinstile.demo.credentials import providers

PROFILES = ("cn-gbt38963", "cn-province-gate", "alipay-gov", "generic-rest")
GREEN = {"alipay-gov": "green", "generic-rest": "green"}
"""In a provider's own value; `00` unless told."""
TRAVELLER = Subject(native="张三丰", number="610102199003071234")
OTHER = Subject(native="李四", number="610102198512121111")
SHARED = b"a secret of two sides"
FORM = 'codes = { alphabet = "base64url", shortest = 1, longest = 100 }'
"""As a provider's file tells the form of codes without a beginning."""


pair = cache(providers.pair)


def secrets_of(profile: str) -> tuple[bytes, bytes]:
    """Ours and theirs."""
    return pair() if profile == "alipay-gov" else (SHARED, SHARED)


def code(profile: str, colour: object = GREEN, **more: object) -> Code:
    """The traveller's code, green unless told."""
    colour = GREEN.get(profile, "00") if colour is GREEN else colour
    number = "" if profile == "alipay-gov" else "6101**********1234"
    given = {"name": "张三丰", "number": number} | more
    return Code(colour, **given)  # type: ignore[arg-type]


def file(folder: Path, profile: str, url: str, **more: str) -> Path:
    """A hub's file of one provider."""
    secret = folder / "secret"
    secret.write_bytes(secrets_of(profile)[0])
    path = "/gateway.do" if profile == "alipay-gov" else ""
    given = {"name": "here", "profile": profile, "url": url + path, "app_id": "hub-1"} | more
    lines = [f'{name} = "{value}"' for name, value in given.items()]
    written = folder / "providers.toml"
    written.write_text(
        "\n".join(
            ["[[provider]]", *lines, FORM, f'secret_file = "{secret}"', "inside = true"]
            + (['parameters = { city_code = "330100" }'] if profile == "alipay-gov" else [])
        )
    )
    return written


@asynccontextmanager
async def asked(
    folder: Path, profile: str, codes: Mapping[str, Code]
) -> AsyncGenerator[tuple[Online, Simulator]]:
    """A provider of that profile with its simulator behind it."""
    async with simulated(profile, secrets_of(profile)[1], codes) as there:
        (provider,) = settings.load(file(folder, profile, there.url))
        yield provider, there
        await provider.close()
