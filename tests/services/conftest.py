"""The story that the tests of the services tell."""

from __future__ import annotations

import pytest

from knopka.db.database import Database
from tests.services.story import Story


@pytest.fixture
async def story(database: Database) -> Story:
    return await Story.begin(database)
