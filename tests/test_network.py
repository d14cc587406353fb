"""The network plan of extensions/network.jinja: equal to Python's `ipaddress` on thousands of random cases, and kept by updates.

The macros are called as functions of the compiled file, as copier.yml calls them. The random cases come from fixed seeds, so a
failure comes back. The planner to compare with shares no idea with the macro: it keeps free blocks and takes the smallest one
that fits.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import conftest
import pytest
import yaml
from conftest import IDENTITY, commit_all, recorded, render, tree
from copier import run_update
from jinja2.sandbox import SandboxedEnvironment

CASES = 1500
PRIVATE = [IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
DOCKER = IPv4Network("172.17.0.0/16")
# How a range is mistyped: each takes a good one.
MISTAKES = (
    lambda cidr: cidr + "\n",
    lambda cidr: " " + cidr,
    lambda cidr: cidr + " ",
    lambda cidr: cidr.replace(".", ".0", 1),
    lambda cidr: cidr.replace("/", "/0"),
    lambda cidr: cidr.replace("/", "/-"),
    lambda cidr: cidr.replace("/", " / "),
    lambda cidr: cidr.split("/")[0],
    lambda cidr: cidr.split("/")[0] + "/33",
    lambda cidr: IPv4Network(cidr).with_netmask,
    lambda cidr: IPv4Network(cidr).with_hostmask,
    lambda cidr: cidr.translate(str.maketrans("0123456789", "".join(chr(0x0660 + digit) for digit in range(10)))),
    lambda cidr: cidr.replace("0/", "\u0660/"),
    lambda cidr: cidr.replace(".", "\u3002"),
    lambda cidr: "::ffff:" + cidr,
    lambda cidr: "fd00::/" + cidr.split("/")[1],
    lambda cidr: "." + cidr,
    lambda cidr: cidr.replace(".", "", 1),
    lambda cidr: cidr + "/24",
    lambda cidr: cidr.replace(cidr.split(".")[0], "256", 1),
    lambda cidr: hex(int(IPv4Network(cidr).network_address)) + "/" + cidr.split("/")[1],
    lambda cidr: "",
)


@pytest.fixture(scope="module")
def network(macros: SandboxedEnvironment) -> Any:
    """The macros by name."""
    return macros.get_template("extensions/network.jinja").module


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers, the same in each run of a test."""
    return random.Random(request.node.name)  # noqa: S311  (nothing is secret here)


def random_network(
    chance: random.Random, shortest: int = 0, longest: int = 32, inside: str = "0.0.0.0/0"
) -> IPv4Network:
    """Any network in another one."""
    outer = IPv4Network(inside)
    prefix = chance.randint(max(shortest, outer.prefixlen), longest)
    address = int(outer.network_address) + chance.randrange(outer.num_addresses)
    return IPv4Network((address, prefix), strict=False)


def canonical(text: str) -> bool:
    """Whether Python reads the text as an IPv4 network and prints it as the same text."""
    try:
        return str(IPv4Network(text)) == text
    except ValueError:
        return False


def free_blocks(space: IPv4Network, taken: list[IPv4Network]) -> list[IPv4Network]:
    """What is left of a space, in the largest blocks."""
    free = [space]
    for busy in taken:
        free = list(itertools.chain.from_iterable(without(block, busy) for block in free))
    return free


def without(block: IPv4Network, busy: IPv4Network) -> Iterator[IPv4Network]:
    """What is left of a block."""
    if not block.overlaps(busy):
        yield block
    elif busy.prefixlen > block.prefixlen:
        yield from block.address_exclude(busy)


def fits(space: IPv4Network, wanted: list[int], taken: list[IPv4Network]) -> bool:
    """Whether ranges of these lengths find a place: largest first, each in the smallest free block that holds it."""
    taken = list(taken)
    for prefix in sorted(wanted):
        holding = [block for block in free_blocks(space, taken) if block.prefixlen <= prefix]
        if not holding:
            return False
        taken.append(next(max(holding, key=lambda block: block.prefixlen).subnets(new_prefix=prefix)))
    return True


def placed(
    network: Any, space: IPv4Network, wanted: dict[str, int], taken: list[IPv4Network]
) -> dict[str, IPv4Network]:
    """What the macro places."""
    found = json.loads(network.place(str(space), wanted, [str(cidr) for cidr in taken]))
    return {name: IPv4Network(cidr) for name, cidr in found.items()}


def blocks(plan: str) -> list[str]:
    """The blocks of a plan as the macro prints it."""
    return [block["addressPrefix"] for block in json.loads(plan).values()] if plan.strip() else []


def assert_apart(networks: list[IPv4Network]) -> None:
    """No two overlap."""
    assert not [pair for pair in itertools.combinations(networks, 2) if pair[0].overlaps(pair[1])]


def planned(network: Any, space: str, used: str, platform: str) -> list[str]:
    """The blocks of a new project as copier.yml plans them, none when it refuses."""
    common = network.common_plan(space, used, platform)
    if not common.strip() or platform == "aml":
        return blocks(common)
    more = network.databricks_plan(space, used, json.loads(common))
    return blocks(common) + blocks(more) if more.strip() else []


# --- form


def test_a_range_is_accepted_in_the_one_form_that_python_prints(network: Any, chance: random.Random) -> None:
    """Good ranges, host bits and every other way to write a range: accepted exactly if `ipaddress` gives the same text back."""
    accepted = refused = 0
    for _ in range(CASES):
        good = str(random_network(chance))
        loose = f"{IPv4Network(chance.randrange(2**32)).network_address}/{chance.randint(0, 33)}"
        for text in (good, loose, chance.choice(MISTAKES)(good)):
            error = network.cidr_error(text, "10.40.0.0/22").strip()
            assert bool(error) != canonical(text), ascii(text)
            accepted, refused = accepted + (not error), refused + bool(error)
    assert min(accepted, refused) > CASES


def test_any_text_is_read_as_python_reads_it(network: Any, chance: random.Random) -> None:
    """Also what nobody means: signs of a range in any order."""
    for _ in range(CASES):
        text = "".join(chance.choices("0123456789./ :-+x\n\u0661", k=chance.randint(0, 18)))
        assert bool(network.cidr_error(text, "").strip()) != canonical(text), ascii(text)


def test_the_mend_of_host_bits_is_the_network_that_python_means(network: Any, chance: random.Random) -> None:
    """The message names the range that a person most likely wanted."""
    for _ in range(CASES):
        meant = random_network(chance, longest=31)
        text = f"{meant[1 + chance.randrange(meant.num_addresses - 1)]}/{meant.prefixlen}"
        assert f"write {meant}." in network.cidr_error(text, "")


# --- arithmetic


def test_within_and_overlap_are_those_of_python(network: Any, chance: random.Random) -> None:
    """For pairs that are near each other, so that each answer occurs often."""
    seen = set()
    for _ in range(CASES):
        one = random_network(chance, 8, 30, "10.0.0.0/8")
        other = random_network(chance, 8, 32, str(one.supernet(chance.randint(0, min(4, one.prefixlen)))))
        within, overlap = (bool(call(str(one), str(other)).strip()) for call in (network.within, network.overlap))
        assert (within, overlap) == (one.subnet_of(other), one.overlaps(other)), (one, other)
        seen.add((within, overlap))
    assert seen == {(True, True), (False, True), (False, False)}


def test_apart_is_that_of_python(network: Any, chance: random.Random) -> None:
    """Several networks in a space without overlap, against every pair compared."""
    seen = set()
    for _ in range(CASES):
        space = random_network(chance, 8, 28, "10.0.0.0/8")
        near = str(space.supernet(chance.choice((0, 0, 0, 1))))
        networks = [random_network(chance, 8, 32, near) for _ in range(chance.randint(0, 4))]
        pairs = itertools.combinations(networks, 2)
        expected = all(one.subnet_of(space) for one in networks) and not any(a.overlaps(b) for a, b in pairs)
        assert bool(network.apart([str(one) for one in networks], str(space)).strip()) == expected
        seen.add(expected)
    assert seen == {True, False}


def test_only_private_spaces_are_accepted_and_none_that_containers_use(network: Any, chance: random.Random) -> None:
    """At the edges of the private ranges too, each reason with its own words, both at once when both hold."""
    seen = set()
    edges = [outer for inner in (*PRIVATE, DOCKER) for outer in (inner, inner.supernet(2))]
    for _ in range(CASES // 5):
        space = random_network(chance, 4, 22, str(chance.choice(edges)))
        message = network.address_space_error(str(space), "databricks", [])
        found = ("is not private" in message, "which containers use" in message)
        assert found == (not any(space.subnet_of(inner) for inner in PRIVATE), space.overlaps(DOCKER)), space
        assert any(found) == bool(message.strip())
        seen.add(found)
    assert seen == set(itertools.product((True, False), repeat=2))


# --- placing


def test_places_are_apart_in_the_space_and_found_when_there_are_any(network: Any, chance: random.Random) -> None:
    """Nothing overlaps what is taken or each other, and a request is refused only if another planner finds no place either."""
    complete = refused = 0
    for _ in range(CASES):
        space = random_network(chance, 16, 26, "10.0.0.0/8")
        near = str(space.supernet())
        taken = [random_network(chance, space.prefixlen, 32, near) for _ in range(chance.randint(0, 6))]
        taken = [cidr for cidr in taken if cidr.prefixlen > space.prefixlen + 1]
        wanted = {f"n{n}": chance.randint(space.prefixlen, space.prefixlen + 5) for n in range(chance.randint(1, 6))}
        wanted = {name: min(prefix + chance.randint(0, 2), 32) for name, prefix in wanted.items()}
        found = placed(network, space, wanted, taken)
        assert all(cidr.subnet_of(space) and cidr.prefixlen == wanted[name] for name, cidr in found.items())
        assert_apart(list(found.values()))
        assert not [cidr for cidr in found.values() if any(cidr.overlaps(busy) for busy in taken)]
        assert (found.keys() == wanted.keys()) == fits(space, list(wanted.values()), taken), (space, wanted, taken)
        complete, refused = complete + (found.keys() == wanted.keys()), refused + (found.keys() != wanted.keys())
    assert min(complete, refused) > CASES / 10


def test_the_order_of_what_is_asked_and_taken_does_not_matter(network: Any, chance: random.Random) -> None:
    """The same question in another order has the same answer."""
    for _ in range(CASES // 10):
        space = random_network(chance, 16, 24, "10.0.0.0/8")
        taken = [random_network(chance, space.prefixlen + 2, 32, str(space)) for _ in range(4)]
        wanted = [(f"n{n}", chance.randint(space.prefixlen + 1, 32)) for n in range(4)]
        first = placed(network, space, dict(wanted), taken)
        assert placed(network, space, dict(chance.sample(wanted, 4)), chance.sample(taken, 4)) == first


# --- plans


def test_the_subnets_of_a_plan_lie_apart_in_their_blocks(network: Any, chance: random.Random) -> None:
    """Every environment has a block of its own for the platform's subnets, and every subnet is large enough for Azure."""
    names = {"common": {"privateEndpoints", "agents"}, "databricks": {"databricksHost", "databricksContainer"}}
    for _ in range(CASES // 20):
        space = str(random_network(chance, 8, 22, "10.0.0.0/8"))
        common = json.loads(network.common_plan(space, "", "databricks"))
        databricks = json.loads(network.databricks_plan(space, "", common))
        everything: list[IPv4Network] = []
        for kind, plan, longest in (("common", common, 27), ("databricks", databricks, 26)):
            assert set(plan) == {"dev", "staging", "prod"}
            for block in plan.values():
                subnets = {name: IPv4Network(cidr) for name, cidr in block["subnets"].items()}
                assert subnets.keys() == names[kind] and all(net.prefixlen <= longest for net in subnets.values())
                assert all(net.subnet_of(IPv4Network(block["addressPrefix"])) for net in subnets.values())
                assert IPv4Network(block["addressPrefix"]).subnet_of(IPv4Network(space))
                everything += subnets.values()
        assert_apart(everything)
        assert network.is_plan(common) and network.is_plan(databricks)


@pytest.mark.parametrize(("platform", "widest"), [("aml", 21), ("databricks", 19)])
def test_projects_of_one_hub_share_a_space_to_the_last_block(
    network: Any, chance: random.Random, platform: str, widest: int
) -> None:
    """Each project gives its blocks to the next as used. None overlap, and the refused one finds nothing that it needs free."""
    for _ in range(5):
        space = random_network(chance, widest, widest + 2, "10.0.0.0/8")
        others = [random_network(chance, 25, 29, str(space)) for _ in range(chance.randint(0, 3))]
        used = [str(cidr) for cidr in others]
        projects = 0
        while mine := planned(network, str(space), ", ".join(used), platform):
            assert not network.used_error(", ".join(used), str(space), platform, False).strip()
            used += mine
            projects += 1
        given = [IPv4Network(cidr) for cidr in used[len(others) :]]
        assert_apart(given)
        assert not [cidr for cidr in given if any(cidr.overlaps(other) for other in others)]
        needs = [26] * 3 + ([24] * 3 if platform == "databricks" else [])
        assert projects and not fits(space, needs, [IPv4Network(cidr) for cidr in used])
        assert "No room in" in network.used_error(", ".join(used), str(space), platform, False)


@pytest.mark.parametrize("platform", ["aml", "databricks"])
def test_a_new_project_is_refused_exactly_when_it_cannot_be_planned(
    network: Any, chance: random.Random, platform: str
) -> None:
    """The questions refuse what the plan could not hold, and nothing else; the example in the message is accepted."""
    seen = set()
    for _ in range(CASES // 10):
        space = random_network(chance, 18, 28, "10.0.0.0/8")
        taken = [random_network(chance, space.prefixlen + 1, 32, str(space)) for _ in range(chance.randint(0, 3))]
        used = ", ".join(map(str, taken))
        needs = [26] * 3 + ([24] * 3 if platform == "databricks" else [])
        message = network.used_error(used, str(space), platform, False).strip()
        assert bool(message) != fits(space, needs, taken)
        assert bool(planned(network, str(space), used, platform)) != bool(message)
        alone = network.address_space_error(str(space), platform, []).strip()
        assert bool(alone) != fits(space, needs, [])
        if alone:
            wider = alone.split("for example ")[1].rstrip(".")
            assert IPv4Network(wider).supernet_of(space)
            assert not network.address_space_error(wider, platform, []).strip()
        seen.add((bool(message), bool(alone)))
    assert seen == {(False, False), (True, False), (True, True)}


# --- messages


def test_all_errors_come_in_one_message(network: Any) -> None:
    """Somebody with three mistakes hears of three."""
    plan = json.loads(network.common_plan("10.40.0.0/24", "", "aml"))
    message = network.address_space_error("160.0.0.0/4", "aml", [plan])
    assert [part in message for part in ("is not private", "which containers use", "outside")] == [True, True, True]
    message = network.used_error("10.40.0.1/24, 10.40.0.0/255.255.255.0 fd00::/8", "10.40.0.0/22", "aml", False)
    assert [part in message for part in ("write 10.40.0.0/24", '"10.40.0.0/255.', '"fd00::/8"')] == [True, True, True]


def test_ranges_are_listed_with_commas_or_blanks(network: Any) -> None:
    """However a person separates them; a trailing comma is none more."""
    for used in ("10.0.0.0/26,10.0.0.64/26", "10.0.0.0/26, 10.0.0.64/26,", " 10.0.0.0/26\n10.0.0.64/26 "):
        assert json.loads(network.listed(used)) == ["10.0.0.0/26", "10.0.0.64/26"]


# --- recorded plans


def changed(plan: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of a plan with another value at a dotted path; None takes it away."""
    copy: dict[str, Any] = json.loads(json.dumps(plan))
    *folders, last = path.split(".")
    place: dict[Any, Any] = copy
    for folder in folders:
        place = place[folder]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dev", None),
        ("test", {"addressPrefix": "10.40.0.192/26", "subnets": {}}),
        ("dev", "10.40.0.0/26"),
        ("dev", []),
        ("dev.addressPrefix", None),
        ("dev.addressPrefix", 12),
        ("dev.addressPrefix", ["10.40.0.0/26"]),
        ("dev.addressPrefix", '10.40.0.0/26"}, "evil": {"'),
        ("dev.addressPrefix", "10.40.0.0/26\n"),
        ("dev.addressPrefix", "${path.module}"),
        ("dev.addressPrefix", "10.40.0.0/28"),
        ("dev.location", "westeurope"),
        ("dev.subnets", None),
        ("dev.subnets", []),
        ("dev.subnets", "10.40.0.0/27"),
        ("dev.subnets.agents", "0.0.0.0/0"),
        ("dev.subnets.agents", "10.40.0.32/27"),
        ("dev.subnets.agents", "10.41.0.0/27"),
        ("dev.subnets.agents", "'${deployment().name}'"),
        ("dev.subnets.agents", {"cidr": "10.40.0.0/27"}),
        ('dev.subnets.a"b', "10.40.0.0/32"),
        ("dev.subnets.a-b", "10.40.0.0/32"),
        ("dev.subnets.agents\n", "10.40.0.0/32"),
    ],
)
def test_what_is_no_plan_is_refused(network: Any, path: str, value: object) -> None:
    """A plan that was edited or given by hand brings in nothing but names and ranges that lie where they must."""
    plan = json.loads(network.common_plan("10.40.0.0/24", "", "aml"))
    assert network.is_plan(plan)
    assert not network.is_plan(changed(plan, path, value))
    message = network.address_space_error("10.40.0.0/24", "aml", [changed(plan, path, value)])
    assert "as it was last committed" in message and str(value) not in message


@pytest.mark.parametrize("plan", [None, "", "10.40.0.0/24", "{}", [], {}, 0, True, [{"dev": 1}]], ids=repr)
def test_what_has_not_the_shape_of_a_plan_is_refused(network: Any, plan: object) -> None:
    """Whatever YAML can say."""
    assert "as it was last committed" in network.address_space_error("10.40.0.0/24", "aml", [plan])


def test_two_plans_that_overlap_are_refused(network: Any) -> None:
    """A foreign plan for Databricks may not lie over the project's other networks."""
    common = json.loads(network.common_plan("10.40.0.0/22", "", "aml"))
    foreign = json.loads(network.databricks_plan("10.40.0.0/22", "", {}))
    assert "as it was last committed" in network.address_space_error("10.40.0.0/22", "databricks", [common, foreign])


# --- the plan of an existing project


PRIVATE_PROJECT = {**IDENTITY, "network": "private"}
PLAN = "infra/network.json"


@pytest.fixture
def release(template: Path, tmp_path: Path, git_environment: None) -> Path:
    """The questions and the files that print their answers, as a git repository with one release: it renders in no time."""
    slim = tmp_path / "slim"
    for name in (
        "copier.yml",
        "extensions",
        "template/{{ private }}/infra",
        "template/{{ _copier_conf.answers_file }}.jinja",
    ):
        source, to = template / name, slim / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, to) if source.is_dir() else shutil.copy(source, to)
    for path in (slim / "template/{{ private }}/infra").iterdir():
        assert path.name == "network.json.jinja"
    return conftest.released(slim, tmp_path / "release")


def made(release: Path, to: Path, **answers: str) -> Path:
    """A committed private project, other answers given."""
    project = render(release, to, PRIVATE_PROJECT | answers)
    commit_all(project)
    return project


def update(project: Path, **answers: str) -> None:
    """A plain update with some new answers."""
    run_update(project, data=answers, defaults=True, skip_answered=True, overwrite=True, quiet=True, unsafe=False)


def refused_update(project: Path, message: str, **answers: str) -> None:
    """The update ends with the message and nothing has changed."""
    before = tree(project)
    with pytest.raises(ValueError, match=message):
        update(project, **answers)
    assert tree(project) == before


def test_a_later_release_that_plans_otherwise_moves_nothing(release: Path, tmp_path: Path) -> None:
    """Other sizes and another order are for new projects: a recorded plan stays, and so does the file."""
    project = made(release, tmp_path / "project", platform="databricks")
    before, plan = recorded(project), tree(project)[PLAN]
    macros = release / "extensions/network.jinja"
    text = macros.read_text("utf-8")
    for old, new in (
        ("'prefix': 26", "'prefix': 25"),
        ("'agents': 27", "'agents': 26"),
        ("'1')", "'1', reverse=true)"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    macros.write_text(text, "utf-8")
    commit_all(release, "v2.0.0")
    update(project)
    assert recorded(project) == before and tree(project)[PLAN] == plan
    fresh = made(release, tmp_path / "fresh", platform="databricks", address_space="10.40.0.0/20")
    assert recorded(fresh)["network_plan"] != before["network_plan"]


def test_an_address_space_that_leaves_the_plan_outside_stops_the_update(release: Path, tmp_path: Path) -> None:
    """Neither another space nor a smaller one: the message names the blocks that would be left behind."""
    project = made(release, tmp_path / "project")
    refused_update(project, "10.40.0.0/26.*outside 10.50.0.0/22", address_space="10.50.0.0/22")
    refused_update(project, "10.40.0.128/26, outside 10.40.0.0/25", address_space="10.40.0.0/25")


def test_a_wider_address_space_keeps_the_plan(release: Path, tmp_path: Path) -> None:
    """More room changes no address."""
    project = made(release, tmp_path / "project")
    before, plan = recorded(project), tree(project)[PLAN]
    update(project, address_space="10.40.0.0/20")
    assert recorded(project) == before | {"address_space": "10.40.0.0/20"} and tree(project)[PLAN] == plan


def test_used_ranges_may_come_to_hold_the_project_itself(release: Path, tmp_path: Path) -> None:
    """The network team's list names this project too one day; nothing moves out of its own way."""
    project = made(release, tmp_path / "project")
    before, plan = recorded(project), tree(project)[PLAN]
    update(project, used_address_ranges="10.40.0.0/22")
    assert recorded(project) == before | {"used_address_ranges": "10.40.0.0/22"} and tree(project)[PLAN] == plan


def test_a_move_to_databricks_plans_its_subnets_beside_the_old_ones(release: Path, tmp_path: Path) -> None:
    """The old subnets stay where they are, the new ones overlap neither them nor what others use; and moving back keeps both."""
    project = made(release, tmp_path / "project", used_address_ranges="10.40.3.0/25")
    before = recorded(project)
    assert "databricks_network_plan" not in before and "databricksHost" not in (project / PLAN).read_text("utf-8")
    refused_update(project, "No room in 10.40.0.0/22.*10.40.0.0/21", platform="databricks")
    update(project, platform="databricks", address_space="10.40.0.0/21")
    after = recorded(project)
    assert after["network_plan"] == before["network_plan"]
    plan = json.loads((project / PLAN).read_text("utf-8"))
    subnets = [IPv4Network(cidr) for environment in plan.values() for cidr in environment["subnets"].values()]
    assert len(subnets) == 12
    assert_apart([*subnets, IPv4Network("10.40.3.0/25")])
    commit_all(project)
    update(project, platform="aml")
    assert recorded(project) == after | {"platform": "aml"}
    assert "databricksHost" not in (project / PLAN).read_text("utf-8")
    commit_all(project)
    update(project, platform="databricks")
    assert recorded(project) == after and json.loads((project / PLAN).read_text("utf-8")) == plan


def test_a_move_to_databricks_without_room_stops_with_the_mend(release: Path, tmp_path: Path) -> None:
    """Also where the answers are recorded and no question is asked."""
    project = made(release, tmp_path / "project", address_space="10.40.0.0/24")
    refused_update(project, "No room in 10.40.0.0/24.*for example 10.40.0.0/22", platform="databricks")
    update(project, platform="databricks", address_space="10.40.0.0/22")
    assert "databricksHost" in (project / PLAN).read_text("utf-8")


def test_a_public_project_becomes_private_and_never_public_again(release: Path, tmp_path: Path) -> None:
    """The update plans and adds the files; the way back is refused with the reason."""
    project = made(release, tmp_path / "project", network="public")
    assert not {"network_plan", "address_space"} & recorded(project).keys() and PLAN not in tree(project)
    update(project, network="private", address_space="10.40.0.0/24")
    assert recorded(project) == recorded(made(release, tmp_path / "fresh", address_space="10.40.0.0/24"))
    assert tree(project)[PLAN] == tree(tmp_path / "fresh")[PLAN]
    commit_all(project)
    refused_update(project, "does not open it again. Keep private", network="public")


def test_a_project_of_a_release_without_the_question_stays_public(release: Path, tmp_path: Path) -> None:
    """Nobody is asked anything: an update to the release with the question records `public` and adds nothing."""
    questions = release / "copier.yml"
    text = questions.read_text("utf-8")
    before, rest = text.split("network:\n", 1)
    questions.write_text(
        before + "# Overlays" + rest.split("# Overlays", 1)[1].replace("network == 'private'", "false"), "utf-8"
    )
    commit_all(release, "v0.9.0")
    conftest.git(release, "tag", "--delete", "v1.0.0")
    project = render(release, tmp_path / "project", {n: a for n, a in IDENTITY.items() if n != "address_space"})
    commit_all(project)
    old = recorded(project)
    assert "network" not in old
    questions.write_text(text, "utf-8")
    commit_all(release, "v1.0.0")
    update(project)
    assert recorded(project) == old | {"network": "public"}
    assert tree(project).keys() == {conftest.ANSWERS_FILE}


@pytest.mark.parametrize("value", ["", None, "10.40.0.0/24", [], {"dev": {}}], ids=repr)
@pytest.mark.parametrize("plan", ["network_plan", "databricks_network_plan"])
def test_an_edited_plan_stops_the_update(release: Path, tmp_path: Path, plan: str, value: object) -> None:
    """Whoever breaks a recorded plan by hand gets no other one without a word."""
    project = made(release, tmp_path / "project", platform="databricks")
    answers = yaml.safe_load((project / conftest.ANSWERS_FILE).read_text("utf-8")) | {plan: value}
    (project / conftest.ANSWERS_FILE).write_text(yaml.safe_dump(answers), "utf-8")
    commit_all(project)
    refused_update(project, "as it was last committed")


def test_a_moved_block_stops_the_update(release: Path, tmp_path: Path) -> None:
    """Of a good form and in the wrong place."""
    project = made(release, tmp_path / "project")
    path = project / conftest.ANSWERS_FILE
    path.write_text(re.sub(r"10\.40\.0\.(\d+/2[67])", r"10.99.0.\1", path.read_text("utf-8")), "utf-8")
    commit_all(project)
    refused_update(project, "outside 10.40.0.0/22")
