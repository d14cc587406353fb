"""Hostile and unlucky answers are refused with a message and nothing written, or kept as data that every parser gives back.

Refusals are tried through Copier, some through its command line. Properties that need hundreds of tries call the macros in a
Jinja environment like Copier's, or render only the files that print the answer.
"""

from __future__ import annotations

import json
import keyword
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import conftest
import pytest
import yaml
from conftest import IDENTITY, Matrix, commit_all, offered, questionnaire, recorded, render, tree
from copier import run_update
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment
from markdown_it import MarkdownIt
from markdown_it.token import Token

BAD_NAMES: list[Any] = [
    *(
        "",
        " ",
        "a",
        "a" * 21,
        "x" * 3000,
        "taxi\n",
        "\ntaxi",
        "taxi ",
        " taxi",
        "taxi\u202efares",
        "taxi\x00",
        "caf\u00e9",
    ),
    *("../../evil", "..", ".git/hooks/pre-commit", "/etc/passwd", "a/b", "a\\b", "c:evil", "~root", "-rf", "--help"),
    *(
        "a\nevil: true",
        "a: b",
        "${{ secrets.X }}",
        "{{ 7 * 7 }}",
        "{% raw %}",
        'a"b',
        "a'b",
        "$(id)",
        "`id`",
        "a;b",
        "a&b",
        "a#b",
    ),
    *("yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf", "012", "1e3", "0x1f", "1_000", "12:30"),
    *(
        "class",
        "import",
        "match",
        "print",
        "test",
        "json",
        "email",
        "token",
        "numpy",
        "pandas",
        "sklearn",
        "scikit-learn",
    ),
    *(
        "mlflow",
        "azure",
        "azure-ai-ml",
        "pytest",
        "pipeline",
        "tests",
        "src",
        "conftest",
        "config",
        "outputs",
        "mlruns",
    ),
    *("con", "nul", "aux", "com1", "lpt9", "login-page", "my-microsoft", "windows-app", "xbox"),
    *("Taxi", "TAXI", "taxi--fares", "taxi-", "-taxi", "9taxi", "taxi.fares", "ta xi"),
    *(None, True, 12, 1.5),
]
# Made up for these tests, and put together here so that no scanner takes this file for a leak.
SECRETS = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 6,
    "AKIA" + "IOSFODNN7EXAMPLE",
    "dapi" + "0123456789abcdef" * 2,
    "sk-" + "proj-" + "Ab1" * 12,
    "hf_" + "Abcdefghij" * 3,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "c2lnbmF0dXJl",
    "AccountKey" + "=" + "QUJD" * 21 + "Cg==",
    "SharedAccessSignature" + "=sv",
    "https://x.blob.core.windows.net/c?sv=2024&" + "sig=" + "abc%2Bdef" * 4,
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "https://me:" + "hunter2" + "@example.com/repo.git",
    "abc8Q~" + "abcdefghijklmnopqrstuvwxyz0123456",
    "password" + "= hunter2",
    "QUJD" * 21 + "QQ" + "==",
]
BAD_LINES: list[Any] = [
    *("", " ", "two\nlines", "two\r\nlines", "end\n", "tab\there", " before", "after ", "x" * 201),
    *("bell\x07", "colour\x1b[31m", "zero\x00", "next\x85line", "line\u2028separator", "paragraph\u2029separator"),
    *("right\u202eto left", "isolate\u2066d", "zero\u200bwidth", "mark\ufeff", "tag\U000e0041"),
    *SECRETS,
    *(f"Connects with {secret} to the store" for secret in SECRETS),
]
# Free text that another reader would take for something else.
ODD_LINES = [
    *(
        '${file("/etc/passwd")}',
        "${{ github.actor }}",
        "${{inputs.data}}",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "{# note #}",
        "${var.x}",
    ),
    *(
        "Ride \U0001f695 prices",
        "\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645",
        "\U0001f468\u200d\U0001f469",
        "na\u00efve \u2014 \u4ef7\u683c",
    ),
    *(
        'say "no"',
        "it's",
        'end"',
        "back\\slash",
        "end\\",
        '"""',
        "'''",
        "\\n",
        "\\u0000",
        "a # b",
        "a: b",
        "- a",
        "[a]",
        "{a: b}",
    ),
    *("yes", "null", "012", "1e3", "~", "!!python/object:x", "&a", "*a", "@a", "%TAG", "| x", "> x", "? x"),
    *(
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://example.com)",
        "# head",
        "1. one",
        "`id`",
        "$(id)",
        "***",
    ),
    *("&lt;", "x" * 200, "http://example.com", "a_b_c", "~~a~~", "a|b", "---", "===", "skips sk-learn words"),
]


# The questions that a person is asked, and those of them that take text.
ASKED = [
    name
    for name, question in conftest.questionnaire().items()
    if question.get("when") is not False and question.get("ask") is not False
]
TYPED = [name for name in ASKED if "choices" not in conftest.questionnaire()[name]]


def answers_with(question: str, answer: object) -> dict[str, Any]:
    """The identity answers and one more."""
    return {**IDENTITY, question: answer}


def refusal(template: Path, to: Path, answers: dict[str, Any]) -> str:
    """The message of a refused render, of which nothing was written."""
    with pytest.raises(Exception) as caught:
        render(template, to, answers)
    assert not to.exists(), "something was written"
    return str(caught.value)


def run_copier(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Copier's command line, with this session's interpreter."""
    return subprocess.run([sys.executable, "-m", "copier", *arguments], capture_output=True, text=True, timeout=120)


def error(macros: SandboxedEnvironment, question: str, answer: str) -> str:
    """What the validator of a question says to an answer, empty when it accepts."""
    validator = questionnaire()[question]["validator"]
    return macros.from_string(str(validator)).render({**IDENTITY, question: answer}).strip()


# --- names


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name)[:30])
def test_a_bad_name_is_refused(template: Path, tmp_path: Path, name: object) -> None:
    """Anything but a short identifier of one's own is refused before a file is written, and the message names the question."""
    assert "project_name" in refusal(template, tmp_path / "out", answers_with("project_name", name))


@pytest.mark.parametrize(
    "name", [*BAD_NAMES, "taxi-fares", "_taxi", "taxi_", "taxi__fares"], ids=lambda name: repr(name)[:30]
)
def test_a_bad_package_is_refused(macros: SandboxedEnvironment, name: object) -> None:
    """A package follows the same rules, with underscores in place of hyphens."""
    assert error(macros, "package_name", str(name))


@pytest.mark.parametrize("answer", [[], ["taxi"], {"a": 1}], ids=repr)
@pytest.mark.parametrize("question", ["project_name", "description", "region"])
def test_a_list_or_mapping_is_refused(template: Path, tmp_path: Path, question: str, answer: object) -> None:
    """YAML that is no single value is no answer to any question."""
    assert "to string" in refusal(template, tmp_path / "out", answers_with(question, answer))


@pytest.mark.parametrize("team", ["", "a\nb: c", "Team", "yes", "null", "../x", "a" * 41, "a b", SECRETS[3]])
def test_a_bad_team_is_refused(template: Path, tmp_path: Path, team: str) -> None:
    """A team is a slug that YAML reads as text."""
    assert "team" in refusal(template, tmp_path / "out", answers_with("team", team))


@pytest.mark.parametrize(
    ("question", "answer", "mend"),
    [
        ("project_name", "Taxi", "taxi-fares"),
        ("project_name", "a" * 21, "2 to 20"),
        ("project_name", "json", "standard library"),
        ("project_name", "pandas", "a package that the project installs"),
        ("package_name", "taxi-fares", "taxi_fares"),
        ("team", "on", "data-science"),
        ("description", "a\nb", "one line"),
        ("description", "x" * 201, "it has 201"),
        ("description", SECRETS[0], "revoke it"),
        ("region", "mars", "westeurope"),
        ("region", "West Europe", "westeurope"),
        ("task", "clustering", "regression"),
        ("network", "vnet", "private"),
        ("address_space", "10.40.0.1/22", "write 10.40.0.0/22"),
        ("address_space", "10.40.0.0/255.255.252.0", "write it as 10.40.0.0/22"),
        ("address_space", "8.8.0.0/16", "take a range in 10.0.0.0/8"),
        ("address_space", "172.17.0.0/20", "172.17.0.0/16"),
        ("address_space", "10.40.0.0/26", "for example 10.40.0.0/24"),
        ("used_address_ranges", "10.40.0.0-10.40.0.63", "write it as 10.40.0.0/26"),
        ("used_address_ranges", "10.40.0.0/22", "for example 10.40.0.0/21"),
    ],
)
def test_the_message_says_how_to_mend(template: Path, tmp_path: Path, question: str, answer: str, mend: str) -> None:
    """A refusal shows a good answer, the limit, or what to do."""
    assert mend in refusal(template, tmp_path / "out", answers_with(question, answer))


@pytest.mark.parametrize("question", TYPED)
def test_a_refusal_does_not_repeat_a_secret(template: Path, tmp_path: Path, question: str) -> None:
    """A token typed by mistake does not reach the log of the run."""
    data = conftest.write_data_file(tmp_path / "answers.yml", answers_with(question, SECRETS[0]))
    done = run_copier("copy", "--defaults", "--data-file", data, template, tmp_path / "out")
    assert done.returncode == 1
    assert SECRETS[0] not in done.stdout + done.stderr


@pytest.mark.parametrize("question", ASKED)
def test_every_question_refuses_secrets(template: Path, tmp_path: Path, question: str) -> None:
    """No question takes a secret, whatever it asks for; a plan, which nobody is asked for, neither (see below)."""
    assert question in refusal(template, tmp_path / "out", answers_with(question, SECRETS[0]))


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
@pytest.mark.parametrize("question", TYPED)
def test_every_text_question_knows_secrets(macros: SandboxedEnvironment, question: str, secret: str) -> None:
    """Each kind of credential is recognised wherever text is typed, and called by its name."""
    assert "looks like a password" in error(macros, question, secret)


@pytest.mark.parametrize(
    ("question", "answer", "mend"),
    [
        ("project_name", "../../evil", "taxi-fares"),
        ("project_name", "yes", "taxi-fares"),
        ("project_name", "taxi\n", "taxi-fares"),
        ("region", "mars", "westeurope"),
        ("address_space", "10.40.0.0/22\n", "10.40.0.0/22"),
        ("address_space", "10.40.0.9/22", "10.40.0.0/22"),
        ("address_space", "172.17.0.0/23", "containers"),
        ("address_space", "10.40.0.0/25", "10.40.0.0/24"),
    ],
)
def test_the_command_line_refuses(template: Path, tmp_path: Path, question: str, answer: str, mend: str) -> None:
    """Through --data and through --data-file alike, Copier exits with 1, ends with the message and writes nothing."""
    answers = answers_with(question, answer) | {"network": "private"}
    data = conftest.write_data_file(tmp_path / "answers.yml", answers)
    by_file = run_copier("copy", "--defaults", "--data-file", data, template, tmp_path / "out")
    pairs = [f"--data={name}={value}" for name, value in answers.items()]
    by_option = run_copier("copy", "--defaults", *pairs, template, tmp_path / "out")
    for done in (by_file, by_option):
        assert done.returncode == 1
        assert mend in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_several_mistakes_are_one_message(template: Path, tmp_path: Path) -> None:
    """Whoever runs Copier without a keyboard mends them in one go."""
    answers = answers_with("used_address_ranges", "10.40.0.1/26, 10.40.1.0/255.255.255.0") | {"network": "private"}
    message = refusal(template, tmp_path / "out", answers)
    assert "write 10.40.0.0/26." in message and '"10.40.1.0/255.255.255.0"' in message


def test_a_private_project_needs_an_address_space(template: Path, tmp_path: Path) -> None:
    """There is no default for what others may own."""
    answers = {name: answer for name, answer in IDENTITY.items() if name != "address_space"}
    assert "address_space" in refusal(template, tmp_path / "out", answers | {"network": "private"})


def foreign_plan(**changes: object) -> dict[str, object]:
    """A plan of somebody else's making, at the start of IDENTITY's address space, with other values for some environments."""
    plan: dict[str, object] = {
        name: {"addressPrefix": f"10.40.{n}.0/26", "subnets": {"agents": f"10.40.{n}.0/27"}}
        for n, name in enumerate(("dev", "staging", "prod"))
    }
    return plan | changes


@pytest.mark.parametrize("plan", ["network_plan", "databricks_network_plan"])
@pytest.mark.parametrize(
    "value",
    [
        *("", "x", [], {}, None, True, SECRETS[0]),
        foreign_plan(dev={"addressPrefix": '10.40.0.0/26"}}\n', "subnets": {}}),
        foreign_plan(dev={"addressPrefix": "10.40.0.0/26", "subnets": {"agents": "${path.module}"}}),
        foreign_plan(dev={"addressPrefix": "10.40.0.0/26", "subnets": {"'; az group delete": "10.40.0.0/27"}}),
        foreign_plan(dev={"addressPrefix": "10.41.0.0/26", "subnets": {"agents": "10.41.0.0/27"}}),
        foreign_plan(dev={"addressPrefix": "10.40.1.0/26", "subnets": {"agents": "10.40.1.0/27"}}),
        foreign_plan(dev={"addressPrefix": "0.0.0.0/0", "subnets": {"agents": "0.0.0.0/0"}}),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_foreign_plan_is_refused(template: Path, tmp_path: Path, plan: str, value: object) -> None:
    """Plans are recorded answers, which anybody can give or edit: nothing but ranges in the space, apart, gets past."""
    answers = answers_with(plan, value) | {"network": "private", "platform": "databricks"}
    message = refusal(template, tmp_path / "out", answers)
    assert "address_space" in message and SECRETS[0] not in message


def test_a_plan_of_a_public_project_is_refused(template: Path, tmp_path: Path) -> None:
    """A project that has networks is private."""
    assert "Keep private" in refusal(template, tmp_path / "out", answers_with("network_plan", foreign_plan()))


@pytest.mark.parametrize("question", ["project_name", "project_type", "platform"])
def test_identity_is_required(template: Path, tmp_path: Path, question: str) -> None:
    """Without an identity answer nothing is rendered, since there is no default to fall back on."""
    answers = {name: answer for name, answer in IDENTITY.items() if name != question}
    assert question in refusal(template, tmp_path / "out", answers)


@pytest.mark.parametrize("question", conftest.AXES)
@pytest.mark.parametrize("value", ["", "none", "../x", "AML", "${{ x }}"])
def test_a_choice_outside_the_list_is_refused(template: Path, tmp_path: Path, question: str, value: str) -> None:
    """Choices bind without a keyboard too."""
    assert question in refusal(template, tmp_path / "out", answers_with(question, value))


@pytest.mark.parametrize("overlay", [n for n, q in conftest.questionnaire().items() if q.get("when") is False])
@pytest.mark.parametrize("value", [".", "", ".git/hooks"])
def test_a_computed_answer_cannot_be_given(template: Path, tmp_path: Path, overlay: str, value: str) -> None:
    """--data cannot lay a second platform over a project, nor name a folder of its own."""
    assert "is computed" in refusal(template, tmp_path / "out", answers_with(overlay, value))


def test_an_unknown_answer_is_not_recorded(template: Path, tmp_path: Path) -> None:
    """Copier takes unknown --data without a word; it reaches no file."""
    pairs = [f"--data={name}={value}" for name, value in {**IDENTITY, "passphrase": "marker-1742"}.items()]
    assert run_copier("copy", "--quiet", "--defaults", *pairs, template, tmp_path / "out").returncode == 0
    assert not [path for path, content in tree(tmp_path / "out").items() if b"marker-1742" in content]


@given(st.from_regex(r"\A[a-z](-?[a-z0-9]){1,19}\Z").filter(lambda name: len(name) <= 20))
@example("e1")
@example("x0")
def test_an_accepted_name_is_itself_everywhere(macros: SandboxedEnvironment, name: str) -> None:
    """YAML and TOML keys, Python and Windows all read an accepted name as that name."""
    assume(not error(macros, "project_name", name))
    package = name.replace("-", "_")
    assert not error(macros, "package_name", package)
    assert yaml.safe_load(f"{name}: {name}") == {name: name}
    assert tomllib.loads(f"{name} = 1") == {name: 1}
    assert package.isidentifier() and not keyword.iskeyword(package) and package not in sys.stdlib_module_names
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,19}", name)


@given(st.text(max_size=25))
def test_any_other_name_is_refused(macros: SandboxedEnvironment, name: str) -> None:
    """Whatever is not of the pattern is refused, for every text."""
    assume(not re.fullmatch(r"[a-z](-?[a-z0-9])+", name) or len(name) > 20)
    assert error(macros, "project_name", name)


@pytest.mark.parametrize(
    "name", ["taxi-fares", "churn", "m5", "a" * 20, "sk-learn-demo", "test-drive", "data-mesh", "pipelines"]
)
def test_a_good_name_is_accepted(macros: SandboxedEnvironment, name: str) -> None:
    """Names that only resemble reserved ones are free, as a name and as a package."""
    assert not error(macros, "project_name", name)
    assert not error(macros, "package_name", name.replace("-", "_"))


def interpreters() -> list[str]:
    """The running Python and every other supported one on this machine that starts; a shim of pyenv may not."""
    others = filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 15)))
    started = (path for path in others if subprocess.run([path, "--version"], capture_output=True).returncode == 0)
    return sorted({sys.executable, *started})


@pytest.mark.parametrize("interpreter", interpreters())
def test_every_name_of_python_is_refused(macros: SandboxedEnvironment, interpreter: str) -> None:
    """Keywords, soft keywords, builtins and the standard library of each Python found here cannot be project names."""
    script = (
        "import builtins, json, keyword, sys\n"
        "print(json.dumps([*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)]))"
    )
    words = json.loads(subprocess.run([interpreter, "-c", script], check=True, capture_output=True, text=True).stdout)
    free = sorted(word for word in set(words) if not error(macros, "package_name", word))
    assert not free, f"add to extensions/reserved.jinja: {free}"


def test_folders_of_the_project_are_refused(macros: SandboxedEnvironment, matrix: Matrix) -> None:
    """A package named like a folder or script of every project would hide it, or be ignored by git with it."""
    folders = {path.split("/")[0] for project in matrix.projects.values() for path in tree(project) if "/" in path}
    free = sorted(
        name for name in folders if re.fullmatch(r"[a-z_]+", name) and not error(macros, "package_name", name)
    )
    assert not free, f"add to extensions/reserved.jinja: {free}"


# --- free text


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: ascii(line)[:30])
def test_a_bad_line_is_refused(template: Path, tmp_path: Path, line: str) -> None:
    """Free text is one visible line of 200 characters at most, and no secret."""
    assert "description" in refusal(template, tmp_path / "out", answers_with("description", line))


def test_only_readme_and_pyproject_print_free_text(template: Path) -> None:
    """No other file of the template mentions the description, so it can reach none."""
    files = tree(template / "template")
    printing = {path for path, content in files.items() if re.search(rb"\{[{%][^}]*\bdescription\b", content)}
    assert printing == {"README.md.jinja", "pyproject.toml.jinja"}


@pytest.fixture(scope="module")
def printing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without the files that print no free text: a tenth of the time to render."""
    folder = tmp_path_factory.mktemp("printing")
    shutil.copy(template / "copier.yml", folder)
    shutil.copytree(template / "extensions", folder / "extensions")
    (folder / "template").mkdir()
    for name in ("README.md.jinja", "pyproject.toml.jinja", "{{ _copier_conf.answers_file }}.jinja"):
        shutil.copy(template / "template" / name, folder / "template")
    return folder


def shown(markdown: str) -> list[str]:
    """The plain text of every paragraph and heading that has no markup at all, as a reader sees it."""
    inline = [token for token in MarkdownIt("commonmark").parse(markdown) if token.type == "inline"]
    return ["".join(child.content for child in plain) for token in inline if (plain := plain_children(token))]


def plain_children(token: Token) -> list[Token]:
    """The parts of a block, or none when some part is more than text."""
    children = token.children or []
    return children if all(child.type in {"text", "text_special", "softbreak"} for child in children) else []


def assert_kept_as_data(project: Path, line: str) -> None:
    """The line is in README and pyproject as text, in the answers, and nowhere else."""
    files = tree(project)
    assert tomllib.loads(files["pyproject.toml"].decode())["project"]["description"] == line
    assert any(line in text for text in shown(files["README.md"].decode()))
    assert recorded(project)["description"] == line
    if len(line) > 6:  # short ones occur by chance
        others = files.keys() - {"README.md", "pyproject.toml", conftest.ANSWERS_FILE}
        assert not [path for path in others if line.encode() in files[path]]


@pytest.mark.parametrize("line", ODD_LINES, ids=lambda line: ascii(line)[:30])
def test_odd_text_is_data(printing: Path, tmp_path: Path, line: str) -> None:
    """Text that looks like code for some reader comes back unchanged from each file that holds it."""
    assert_kept_as_data(render(printing, tmp_path / "out", answers_with("description", line)), line)


@pytest.mark.parametrize("line", ['${file("/etc/passwd")}', "${{ github.actor }}", "Ride \U0001f695 prices"])
def test_odd_text_reaches_no_other_file(template: Path, tmp_path: Path, line: str) -> None:
    """In a whole project, infrastructure and workflows never see free text."""
    assert_kept_as_data(render(template, tmp_path / "out", answers_with("description", line)), line)


@given(
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], include_characters=" "), min_size=1, max_size=200)
)
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])
def test_any_visible_line_is_data(
    macros: SandboxedEnvironment, printing: Path, tmp_path_factory: pytest.TempPathFactory, line: str
) -> None:
    """Every line of visible characters is accepted and comes back unchanged."""
    assume(line == line.strip() and "looks like a password" not in error(macros, "description", line))
    assert_kept_as_data(
        render(printing, tmp_path_factory.mktemp("line") / "out", answers_with("description", line)), line
    )


@given(st.text(max_size=40), st.characters(categories=["Cc", "Zl", "Zp"]), st.text(max_size=40))
def test_any_invisible_character_is_refused(macros: SandboxedEnvironment, before: str, sign: str, after: str) -> None:
    """A control character or line separator is refused wherever it stands."""
    assert "visible characters" in error(macros, "description", f"x{before}{sign}{after}x")


@pytest.mark.parametrize(
    "line", ["Predicts the key=value store's load", "Scores sk-learn and eyJ words", "Password resets, by hour"]
)
def test_prose_is_not_taken_for_a_secret(macros: SandboxedEnvironment, line: str) -> None:
    """Words about secrets are no secrets."""
    assert not error(macros, "description", line)


# --- regions


def test_every_region_renders_and_is_spelt_as_azure_does(template: Path) -> None:
    """Labels and values of regions are unique, values are lower case, and each label names its region and place."""
    regions = yaml.safe_load((template / "extensions/regions.yml").read_text("utf-8"))
    assert len(set(regions.values())) == len(regions) > 20
    for label, value in regions.items():
        name, _, place = label.partition(" (")
        assert "".join(name.lower().split()) == value and place.endswith(")")


# --- the state of an existing project


@pytest.fixture
def release(template: Path, tmp_path: Path, git_environment: None) -> Path:
    """The template as a git repository with one release."""
    return conftest.released(template, tmp_path / "release")


@pytest.fixture
def project(release: Path, tmp_path: Path) -> Path:
    """A committed project made from that release, every choice and region unlike the defaults."""
    folder = render(
        release, tmp_path / "project", {**IDENTITY, "task": "regression", "region": "ukwest", "team": "pricing"}
    )
    commit_all(folder)
    return folder


@pytest.mark.parametrize(
    ("question", "file", "old", "new"),
    [
        ("region", "extensions/regions.yml", "UK West (Cardiff): ukwest\n", ""),
        ("task", "copier.yml", "regression): regression", "regression): quantile"),
        ("project_name", "extensions/reserved.jinja", "aml app", "aml app taxi_fares"),
        (
            "package_name",
            "extensions/names.jinja",
            "{% macro package_name_error(value) %}",
            "{% macro package_name_error(value) %}no",
        ),
        ("team", "extensions/names.jinja", "{% macro team_error(value) %}", "{% macro team_error(value) %}no"),
        ("description", "copier.yml", "line_error(description, 200)", "line_error(description, 5)"),
    ],
)
def test_an_answer_that_a_later_release_refuses_stops_the_update(
    release: Path, project: Path, question: str, file: str, old: str, new: str
) -> None:
    """The update stops and names the question; nothing moves to a default and no file changes."""
    text = (release / file).read_text("utf-8")
    assert text.count(old) == 1
    (release / file).write_text(text.replace(old, new), "utf-8")
    commit_all(release, "v2.0.0")
    before = tree(project)
    with pytest.raises(ValueError, match=f'"{question}" is required'):
        run_update(project, defaults=True, skip_answered=True, overwrite=True, quiet=True)
    assert tree(project) == before


def test_an_update_leaves_seed_files_alone_and_merges_contract_files(release: Path, project: Path) -> None:
    """Untrusted: the team's seed edits and deletions stay, and a contract file gets the template's change beside the team's."""
    package = "template/src/{{ package_name }}/gate.py"
    for changed in (
        package,
        "template/{{ classical }}/{{ regression }}/src/{{ package_name }}/model.py",
        "template/README.md.jinja",
    ):
        (release / changed).write_text((release / changed).read_text("utf-8") + "\n# from the template\n", "utf-8")
    commit_all(release, "v2.0.0")
    gate, model, readme = (
        project / path for path in ("src/taxi_fares/gate.py", "src/taxi_fares/model.py", "README.md")
    )
    gate.write_text("# from the team\n" + gate.read_text("utf-8"), "utf-8")
    model.write_text("# all ours\n", "utf-8")
    readme.unlink()
    commit_all(project)
    run_update(project, defaults=True, skip_answered=True, overwrite=True, quiet=True, unsafe=False)
    assert "# from the team" in gate.read_text("utf-8") and "# from the template" in gate.read_text("utf-8")
    assert model.read_text("utf-8") == "# all ours\n"
    assert not readme.exists()
    assert conftest.git(project, "ls-files", "--unmerged") == ""


def test_changing_the_region_changes_only_what_names_it(release: Path, project: Path) -> None:
    """A new answer is carried by an update of the same release, and every other answer stays."""
    before = recorded(project)
    run_update(project, data={"region": "uksouth"}, defaults=True, skip_answered=True, overwrite=True, quiet=True)
    assert recorded(project) == before | {"region": "uksouth"}


def test_offered_defaults_are_offered() -> None:
    """A question's default is one of its choices, for each question that offers choices and has a default."""
    for question in ("task", "ci", "iac", "network"):
        default = str(questionnaire()[question]["default"])
        assert any(f"else '{value}'" in default for value in offered(question))


def test_the_environment_changes_nothing(
    matrix: Matrix, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clock, locale and environment variables do not reach a project."""
    for name, value in {
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "USER": "someone",
        "HOME": str(tmp_path),
        "PYTHONHASHSEED": "1",
    }.items():
        monkeypatch.setenv(name, value)
    name, expected = next(iter(matrix.projects.items()))
    data = conftest.write_data_file(tmp_path / "answers.yml", {**IDENTITY, **matrix.answers[name]})
    done = run_copier("copy", "--quiet", "--defaults", "--data-file", data, template, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out") == tree(expected)
