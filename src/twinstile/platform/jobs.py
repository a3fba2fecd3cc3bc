"""Background jobs on the clock: a schedule in the database, so that one process runs each tick.

Rows stay the truth; a job only looks at what is due, so a missed or doubled tick does no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.domain.settings import DBSettings

SETTINGS = DBSettings(db_schema="jobs")
