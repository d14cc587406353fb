"""The values of an environment, as infra/ gets them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def file(environment: str) -> Path:
    """Where they stand."""
    return Path("infra", f"{environment}.parameters.json")


def read(environment: str) -> dict[str, Any]:
    """Each value by its name in words: `peopleGroupId` is `people_group_id`."""
    given = json.loads(file(environment).read_text("utf-8"))["parameters"]
    return {re.sub(r"(?=[A-Z])", "_", name).lower(): value["value"] for name, value in given.items()}
