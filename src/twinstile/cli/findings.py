"""What a doctor finds, and whether others reach the service: its port and its certificate."""

import http.client
import ssl
from dataclasses import dataclass
from datetime import timedelta

from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.platform.ops import clock
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import tls
from twinstile.platform.security.tls import TlsError

AUTHORITY_SOON = timedelta(days=180)
"""Every device has to install the next one."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was looked at and found; `advice` is empty when all is well."""

    name: str
    found: str
    advice: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.advice


def port(configuration: Settings) -> Diagnosis:
    host, port = configuration.host, configuration.port
    try:
        serving.listen(host, port).close()
    except serving.PortInUse as taken:
        if _lives(configuration) and not startup.key_folder(configuration).exists():
            return Diagnosis(
                "port",
                f"{port}: twinstile serves there, and not from this data folder",
                "look with the service's account and settings, TWINSTILE_DATA_DIR first",
            )
        if _lives(configuration):
            return Diagnosis("port", f"{port}: twinstile is serving there now")
        return Diagnosis("port", str(taken), "end what uses it, or set TWINSTILE_PORT")
    return Diagnosis("port", f"{port} is free")


def _lives(configuration: Settings) -> bool:
    host, port = configuration.host, configuration.port
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # compared only
    if configuration.tls is None:
        connection = http.client.HTTPConnection(near, port, timeout=2)
    else:
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it is only asked whether it lives
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(near, port, timeout=2, context=anybody)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().read() == b'{"status":"ok"}'
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def https(configuration: Settings) -> Diagnosis:
    """Whether browsers elsewhere can be let in, and until when."""
    file = configuration.tls
    if file is None:
        return _plain(configuration)
    try:
        tls.context(file)
        server = tls.server(file)
        own = configuration.tls_file is None
        authority_ends = tls.authority(configuration.tls_path).ends_at if own else None
    except TlsError as error:
        return Diagnosis("https", str(error), "mend that file, or bring back the one before")
    found = f"{', '.join(server.names.all)} until {server.ends_at:%Y-%m-%d}"
    if configuration.host in _LOOPBACK and configuration.public_url is None:
        found += f"; listens to this machine alone (TWINSTILE_HOST is {configuration.host})"
    if server.due(clock.now()):
        return Diagnosis("https", found, "`twinstile tls renew`, while the service runs")
    if authority_ends and clock.now() > authority_ends - AUTHORITY_SOON:
        advice = "plan a new authority: move its folder away, then `twinstile tls init`"
        return Diagnosis("https", f"the authority ends on {authority_ends:%Y-%m-%d}", advice)
    return Diagnosis("https", found)


def _plain(configuration: Settings) -> Diagnosis:
    if configuration.public_url or configuration.host in _LOOPBACK:
        return Diagnosis(
            "https",
            "none: a proxy in front carries it, or browsers of this machine alone come in",
        )
    advice = "`twinstile tls init NAME`: without HTTPS no tablet works offline or signs in"
    return Diagnosis("https", "plain HTTP, open to other machines", advice)
