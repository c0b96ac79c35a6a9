"""One forking process for all fault tests of a session."""

from collections.abc import Iterator

import pytest

from tests.faults.rig import Rig


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("faults")) as made:
        yield made
