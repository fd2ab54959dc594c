"""Every flow begins with an empty stage."""

import pytest

from tandem.testing.flows import Play


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Play:
    return Play(media=getattr(request.module, "MEDIA", ""))
