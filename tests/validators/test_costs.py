"""The estimate in a project's docs/infra.md counts what its infrastructure makes, and multiplies and adds up right."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import bicep_project
import hcl2
import pytest
import terraform_files
import yaml
from conftest import ROOT, Answers, Matrix

ENVIRONMENTS = ("dev", "staging", "prod")
PRICES: dict[str, Any] = yaml.safe_load((ROOT / "extensions/prices.yml").read_text("utf-8"))
HOURS = {"hour": PRICES["hours"], "day": PRICES["hours"] / 24, "month": 1}
# Made by Azure or Databricks by itself, so in no file: endpoints to blobs, files, vault, registry and workspace, and a way out.
UNSEEN = {"aml": {"managed_endpoint": 5}, "databricks": {}}
UNSEEN_IF_PUBLIC = {"aml": {}, "databricks": {"databricks_nat": 1, "databricks_address": 1}}
# Terraform's tables of private endpoints, by key.
ENDPOINTS = ("platform_endpoints", "rag_endpoints")
ZONE = re.compile(r'"(privatelink\.[\w.]+)"')


def infra_text(project: Path) -> str:
    """All Terraform of a project."""
    return "\n".join(path.read_text("utf-8") for path in terraform_files.files(project) if "tests" not in path.parts)


def values(project: Path, language: str, environment: str) -> dict[str, Any]:
    """The values of an environment, by the names of Terraform."""
    if language == "terraform":
        loaded: dict[str, Any] = hcl2.loads(
            (project / f"infra/{environment}.tfvars").read_text("utf-8"), serialization_options=terraform_files.OPTIONS
        )
        return loaded
    given = bicep_project.values(project, environment)
    return {re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name): value for name, value in given.items()}


def search_units(project: Path, environment: str) -> int:
    """Replicas times partitions of the search service, none where there is no service."""
    path = project / "infra/rag.json"
    search = json.loads(path.read_text("utf-8"))[environment]["search"] if path.is_file() else {"sku": "none"}
    assert search["sku"] in {"none", "basic"}, "prices.yml has no price for it"
    return 0 if search["sku"] == "none" else int(search["replicas"]) * int(search["partitions"])


def local_tables(project: Path, *names: str) -> set[str]:
    """The keys of Terraform's tables of these names, of those that there are."""
    given = [block for _, block in terraform_files.blocks(project, "locals")]
    return {key for block in given for name in names for key in block.get(name, {})}


def endpoint_keys(project: Path, language: str) -> set[str]:
    """The private endpoints that a project can have."""
    if language == "terraform":
        return local_tables(project, *ENDPOINTS)
    return {endpoint.key for endpoint in bicep_project.endpoints(project)}


def zones(project: Path, language: str, keys: set[str]) -> set[str]:
    """The DNS zones of a project's endpoints. Bicep makes that of a search service in any case, for fifty cents."""
    made = bicep_project.zones(project) if language == "bicep" else set(ZONE.findall(infra_text(project)))
    return made - (set() if "search" in keys else {"privatelink.search.windows.net"})


def managed_endpoints(project: Path, answers: Answers) -> int:
    """The endpoints in the managed network that the files ask for."""
    if answers["iac"] == "bicep":
        text = "\n".join(path.read_text("utf-8") for path in bicep_project.bicep_files(project))
        return len(re.findall(r"type: 'PrivateEndpoint'", text))
    storage = re.search(r'for_each\s*=\s*toset\(\["queue", "table"\]\)', infra_text(project))
    return (2 if storage else 0) + len(local_tables(project, "reachable"))


def counted(project: Path, answers: Answers, environment: str) -> dict[str, int]:
    """What the files make in one environment, by the names of prices.yml; what is none is left out."""
    language, platform = answers["iac"], answers["platform"]
    given = values(project, language, environment)
    found: dict[str, int] = {"search_unit": search_units(project, environment)}
    if platform == "aml":
        found["model_registry"] = int(given["model_registry"])
        found[f"registry_{given.get('registry_sku', 'Premium').lower()}"] = 1
    if answers["network"] == "private":
        absent = {"browser"} | ({"modelregistry"} if not given.get("model_registry") else set())
        keys = endpoint_keys(project, language) - absent - (set() if found["search_unit"] else {"search"})
        found |= {"endpoint": len(keys), "zone": len(zones(project, language, keys))}
        found |= dict.fromkeys(("nat", "address"), int(given["egress"] == "nat"))
        found["firewall"] = int(bool(given.get("package_hosts")))
        if platform == "aml":
            found["managed_endpoint"] = managed_endpoints(project, answers) + UNSEEN[platform]["managed_endpoint"]
    else:
        found |= UNSEEN_IF_PUBLIC[platform]
    return {item: number for item, number in found.items() if number}


def section(project: Path) -> str:
    """The costs in docs/infra.md."""
    text = (project / "docs/infra.md").read_text("utf-8")
    assert text.count("\n## Costs\n") == 1
    return text.split("\n## Costs\n")[1]


def told(text: str) -> dict[str, tuple[float, list[int]]]:
    """The rows of the table: by the name of an item, its price and its number in each environment."""
    rows = re.findall(r"^\| ([^|*]+) \| ([\d.]+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {name: (float(price), [int(number) for number in numbers]) for name, price, *numbers in rows}


@pytest.fixture(scope="session")
def pages(matrix: Matrix) -> dict[str, tuple[Path, Answers]]:
    """A project for each kind of infrastructure, by name: what a page says follows from no other answer."""
    found: dict[tuple[str, ...], str] = {}
    for name, answers in matrix.answers.items():
        found.setdefault(tuple(answers[axis] for axis in ("project_type", "platform", "iac", "network")), name)
    assert len(found) == 4 * 2 * 2 * 2
    return {name: (matrix.projects[name], matrix.answers[name]) for name in found.values()}


def test_the_estimate_counts_what_the_files_make(pages: dict[str, tuple[Path, Answers]]) -> None:
    """For each environment and each item, in both languages."""
    names = {item: kind["name"] for item, kind in PRICES["items"].items()}
    for name, (project, answers) in pages.items():
        page = {item: numbers for item, (_, numbers) in told(section(project)).items()}
        made = [counted(project, answers, environment) for environment in ENVIRONMENTS]
        expected = {names[item]: [one.get(item, 0) for one in made] for item in set().union(*made)}
        assert page == expected, name


def test_prices_and_sums_are_those_of_the_table(pages: dict[str, tuple[Path, Answers]]) -> None:
    """A row shows the price of one for a month, and the last row adds up."""
    monthly = {kind["name"]: kind["price"] * HOURS[kind["per"]] for kind in PRICES["items"].values()}
    sums = set()
    for name, (project, _) in pages.items():
        text = section(project)
        rows = told(text)
        assert rows and all(price == pytest.approx(monthly[item], abs=0.01) for item, (price, _) in rows.items())
        given = re.search(r"\*\*sum in US dollars\*\* \| \| \*\*(\d+)\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\* \|", text)
        assert given, name
        for place, total in enumerate(given.groups()):
            expected = sum(monthly[item] * numbers[place] for item, (_, numbers) in rows.items())
            assert int(total) == pytest.approx(expected, abs=1)
        sums.add(given.groups())
    assert len(sums) > 4


def test_the_estimate_says_that_it_is_one(pages: dict[str, tuple[Path, Answers]]) -> None:
    """Nobody takes it for an offer: the date, where the prices are from and what to ask instead stand beside it."""
    for project, _ in pages.values():
        text = " ".join(section(project).split())
        assert "estimate, not an offer" in text and "pricing calculator" in text and "not fetched" in text
        assert str(PRICES["date"]) in text


def test_every_price_is_used_and_dated(pages: dict[str, tuple[Path, Answers]]) -> None:
    """No item is left over, and the date is a month that has been."""
    used = {item for project, _ in pages.values() for item in told(section(project))}
    assert used == {kind["name"] for kind in PRICES["items"].values()}
    year, month = map(int, PRICES["date"].split("-"))
    assert date(2026, 1, 1) <= date(year, month, 1) <= date.today()
