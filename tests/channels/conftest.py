"""Hands each channel's own samples, unknown kinds and faults to the tests of the contract."""

from __future__ import annotations

import pytest

from tests.channels.contract import ChannelContract


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    contract = metafunc.cls
    if contract is None or not issubclass(contract, ChannelContract):
        return
    if "sample" in metafunc.fixturenames:
        paths = sorted(contract.samples.glob("*.json"))
        metafunc.parametrize(
            "sample", [path.read_bytes() for path in paths], ids=[path.stem for path in paths]
        )
    if "unknown" in metafunc.fixturenames:
        metafunc.parametrize("unknown", contract.unknown)
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize("fault", contract.faults, ids=[fault.name for fault in contract.faults])
