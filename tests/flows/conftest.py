"""Every flow begins with an empty stage."""

import pytest

from tandem.testing.flows import Play


@pytest.fixture
def play() -> Play:
    return Play()
