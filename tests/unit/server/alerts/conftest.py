"""What all tests of alerts need."""

import warnings

import pytest


@pytest.fixture(autouse=True, scope="session")
def _apprise() -> None:
    """Load the services of Apprise: one of them warns of a module it imports."""
    from apprise import Apprise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert Apprise.instantiate("json://localhost")
