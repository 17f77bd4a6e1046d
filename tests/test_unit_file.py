"""The systemd unit keeps the service in a small room."""

import re
import subprocess
from pathlib import Path

UNIT = Path(__file__).parents[1] / "systemd" / "pxed.service"
WORST_EXPOSURE = 1.7


def test_exposure_of_the_unit() -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(UNIT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= WORST_EXPOSURE
