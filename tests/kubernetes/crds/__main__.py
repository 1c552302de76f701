"""Writes the definitions of KEDA's objects beside this file, from the Go module that KEDA is published as (Apache-2.0).

    python -m tests.kubernetes.crds

Descriptions are left out: the definitions are to validate by, and are a tenth as long without.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

MODULE = "github.com/kedacore/keda/v2@v2.21.0"
KINDS = ("scaledobjects", "triggerauthentications")


def main() -> None:
    """Fetch the module, if it is not here already, and write a file a kind."""
    download = ("go", "mod", "download", "-json", MODULE)
    told = subprocess.run(download, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    bases = Path(json.loads(told.stdout)["Dir"]) / "config/crd/bases"
    for kind in KINDS:
        definition = undescribed(yaml.safe_load((bases / f"keda.sh_{kind}.yaml").read_text()))
        head = (
            f"# {kind} of KEDA, without descriptions, from {MODULE} (Apache-2.0) by python -m tests.kubernetes.crds\n"
        )
        text = head + yaml.safe_dump(definition, sort_keys=False)
        (Path(__file__).parent / f"keda.sh_{kind}.yaml").write_text(text)


def undescribed(node: Any, holder: str = "") -> Any:
    """The same without descriptions; a property that is named so stays."""
    if isinstance(node, dict):
        return {
            key: undescribed(value, key)
            for key, value in node.items()
            if not (key == "description" and holder != "properties")
        }
    return [undescribed(each) for each in node] if isinstance(node, list) else node


if __name__ == "__main__":
    main()
