"""All transports there are: what `[feed.transport]` of a feed may be."""

from typing import TypeAlias

from twinstile.arrivals.adapters.folder import FolderSettings

AnyTransport: TypeAlias = FolderSettings
