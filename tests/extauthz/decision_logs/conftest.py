"""What tests of decision logs share."""

from collections.abc import Iterator

import pytest

from tests.extauthz.decision_logs.log_service import LogService


@pytest.fixture
def log_service() -> Iterator[LogService]:
    service = LogService()
    yield service
    service.stop()
