import json
import subprocess
import sys

import pytest

SETTLED = """
import json
import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits
from attune.services.runtime.settling import settle

threadpool_limits(4)  # also where the machine has one core
settle()
np.ones((300, 300)) @ np.ones((300, 300))
print(json.dumps([each["num_threads"] for each in ThreadpoolController().info() if each["internal_api"] == "openblas"]))
"""


def test_products_of_a_server_start_no_threads_of_their_own() -> None:
    done = subprocess.run([sys.executable, "-c", SETTLED], check=True, capture_output=True, text=True)  # noqa: S603 - this interpreter
    counts = json.loads(done.stdout)
    if not counts:
        pytest.skip("this numpy has another library than OpenBLAS")
    assert set(counts) == {1}
