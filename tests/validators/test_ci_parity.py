"""GitHub and Azure DevOps do the same: the same pipelines, jobs, tasks, waits and limits, under the same words.

Both sides are worked out into the jobs that a run consists of, for each reason to run and each choice of parameters, and the
jobs are compared. What one side cannot have is listed here with its reason.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_pipelines
import ci_page
import pytest
import yaml
from ci_page import option
from conftest import Matrix

ENVIRONMENTS = ("dev", "staging", "prod")
# What starts a run, in the words of both.
REASONS = {
    "pull_request": "PullRequest",
    "push": "IndividualCI",
    "schedule": "Schedule",
    "workflow_dispatch": "Manual",
}
# Jobs that only one side has.
ONLY_ON_GITHUB = {
    "Security of the workflows": "zizmor reads GitHub's workflows; there is no such tool for Azure Pipelines",
}
# The tasks that platforms and infrastructure languages offer to CI, by the contract.
CONTRACT = {
    *(
        "platform-tools",
        "platform-validate",
        "platform-environment",
        "platform-data",
        "platform-train",
        "platform-score",
    ),
    *("infra-tools", "infra-validate", "infra-plan", "infra-drift", "infra-deploy", "infra-outputs"),
}
# Tasks of the contract that people run: preparing a workspace needs its administrator, a sweep spends a lot.
BY_HAND = {"platform-setup", "platform-sweep"}
CALL = re.compile(
    r"\buv run (poe|pipeline|pre-commit) ([a-z-]+)|(?<=bash )\.(?:github|azuredevops)/(scripts)/(comment|issue)\.sh"
)
WORKFLOW_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)


@dataclass(frozen=True)
class Job:
    """What both systems can say about a job."""

    title: str
    calls: tuple[tuple[str, str], ...]  # the name of the step, and what it runs
    timeout: int
    environment: str  # whose identity it has; empty for none
    is_guarded: bool  # whether people and branches decide that it may run
    needs: tuple[str, ...]
    lock: bool  # whether runs wait for each other before they change an environment
    is_placed: bool  # whether a project may choose the machine, so that it stands in its network


Jobs = dict[str, Job]


# --- GitHub


class Context(SimpleNamespace):
    """An object of GitHub's expressions: what it does not hold is nothing."""

    def __getattr__(self, name: str) -> None:
        return None


def github_value(expression: str, **names: Any) -> Any:
    """The value of one of our expressions: `&&`, `||`, `==` and two functions mean what they mean in Python."""
    python = re.sub("!(?!=)", " not ", expression.replace("&&", " and ").replace("||", " or "))
    functions = {"fromJSON": json.loads, "format": lambda text, *values: text.format(*values), "cancelled": bool}
    return eval(" ".join(python.split()), {"__builtins__": {}}, {**functions, **names})  # noqa: S307 - our own files


def github_text(text: str, **names: Any) -> str:
    """A text with its expressions worked out."""
    return WORKFLOW_EXPRESSION.sub(lambda found: str(github_value(found[1], **names)), text)


def github_jobs(file: Path, event: str, **inputs: Any) -> Jobs:
    """The jobs of a workflow's run by title."""
    workflow = yaml.safe_load(file.read_text("utf-8"))
    head = Context(repo=Context(full_name="us/here"))
    github = Context(event_name=event, repository="us/here", ref="r", event=Context(pull_request=Context(head=head)))
    needs = Context(plan=Context(result="success"))
    names = {"github": github, "inputs": Context(**inputs), "needs": needs}
    found = {}
    for job in workflow["jobs"].values():
        if not github_value(str(job.get("if", "True")), **names):
            continue
        for environment in github_matrix(job, **names):
            one = github_job(workflow, job, **names, matrix=Context(environment=environment))
            found[one.title] = one
    return found


def github_matrix(job: Mapping[str, Any], **names: Any) -> list[str]:
    """The environments that a job runs for, or one nothing."""
    given = job.get("strategy", {}).get("matrix", {}).get("environment", [""])
    if isinstance(given, str):
        expression = WORKFLOW_EXPRESSION.fullmatch(given)
        assert expression, given
        given = github_value(expression[1], **names)
    return list(given)


def github_job(workflow: Mapping[str, Any], job: Mapping[str, Any], **names: Any) -> Job:
    """A job, with what its workflow says about it."""
    environment = github_text(job.get("environment", ""), **names)
    is_guarded = bool(environment) and not environment.startswith("plan-")
    needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
    lock = job.get("concurrency", workflow.get("concurrency", {}))
    return Job(
        title=github_text(job["name"], **names),
        calls=tuple(
            (step["name"], call)
            for step in job["steps"]
            if chosen(step, **names)
            for call in calls(step.get("run", ""))
        ),
        timeout=job["timeout-minutes"],
        environment=environment.removeprefix("plan-"),
        is_guarded=is_guarded,
        needs=tuple(title for name in needed for title in github_titles(workflow["jobs"][name], **names)),
        lock=is_guarded and lock["cancel-in-progress"] is False,
        is_placed="vars.RUNNER" in job["runs-on"],
    )


def github_titles(job: Mapping[str, Any], **names: Any) -> list[str]:
    """The titles of a job, one for each environment that it runs for."""
    environments = github_matrix(job, **names)
    return [github_text(job["name"], **{**names, "matrix": Context(environment=one)}) for one in environments]


def chosen(step: Mapping[str, Any], **names: Any) -> bool:
    """Whether the inputs of a run choose a step. What only shows during the run is taken as given."""
    condition = str(step.get("if", ""))
    found = WORKFLOW_EXPRESSION.fullmatch(condition)
    return not (found and "inputs." in condition) or bool(github_value(found[1], **names))


def calls(text: str) -> list[str]:
    """What a text runs of this project: tasks, steps of the pipeline, commit hooks."""
    return [" ".join(filter(None, found)) for found in CALL.findall(text)]


# --- Azure DevOps


def azure_jobs(file: Path, event: str, **inputs: Any) -> Jobs:
    """The jobs of a pipeline's run by title."""
    run = azure_pipelines.expand(file, REASONS[event], pool="ours", **inputs)
    jobs = azure_pipelines.jobs(run)
    titles = {job.name: job.title for job in jobs}
    return {job.title: azure_job(job, titles) for job in jobs}


def azure_job(job: azure_pipelines.Job, titles: Mapping[str, str]) -> Job:
    """A job, with what its stage says about it."""
    values = {item["name"]: item["value"] for item in job.variables if "name" in item}
    return Job(
        title=job.title,
        calls=tuple((step.get("displayName", ""), call) for step in job.steps for call in azure_calls(step)),
        timeout=job.body["timeoutInMinutes"],
        environment=values.get("ENVIRONMENT", ""),
        is_guarded=job.is_deployment,
        needs=tuple(titles.get(name, name) for name in job.needs),
        lock=job.lock == "sequential",
        is_placed=job.body["pool"] == {"name": "ours"},
    )


def azure_calls(step: Mapping[str, Any]) -> list[str]:
    """What a step runs; a step that is signed in names its task in `TASK`."""
    task = step.get("env", {}).get("TASK")
    return [f"poe {task}"] if task else calls(str(step.get("bash", "")))


# --- both


@pytest.fixture
def github(matrix: Matrix, tmp_path: Path) -> Path:
    """A project on GitHub."""
    return one(matrix, tmp_path, "github")


@pytest.fixture
def azure_devops(matrix: Matrix, tmp_path: Path) -> Path:
    """The same project on Azure DevOps."""
    return one(matrix, tmp_path, "azure_devops")


def one(matrix: Matrix, folder: Path, ci: str) -> Path:
    """The CI files of the first project with that answer; that they are the same in all is tested elsewhere."""
    project = next(path for name, path in matrix.projects.items() if matrix.answers[name]["ci"] == ci)
    for name in (".github", ".azuredevops", "docs", "config"):
        if (project / name).is_dir():
            shutil.copytree(project / name, folder / ci / name)
    return folder / ci


def workflow(project: Path, name: str) -> Path:
    """A workflow of GitHub."""
    return project / ".github/workflows" / f"{name}.yml"


def pipeline(project: Path, name: str) -> Path:
    """A pipeline of Azure DevOps."""
    return project / ".azuredevops" / f"{name}.yml"


def names(project: Path) -> set[str]:
    """The names of the workflows or pipelines."""
    folder = project / ".github/workflows"
    return {file.stem for file in (folder if folder.is_dir() else project / ".azuredevops").glob("*.yml")}


def situations(github: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every way a workflow can begin: its name, the event, and each choice of inputs."""
    for name in sorted(names(github)):
        triggers = github_triggers(workflow(github, name))
        for event in triggers:
            inputs = (triggers[event] or {}).get("inputs", {}) if event == "workflow_dispatch" else {}
            for environment in inputs.get("environment", {}).get("options", [None]):
                for sample in (True, False) if "sample" in inputs else (None,):
                    given = {"environment": environment, "sample": sample}
                    yield name, event, {key: value for key, value in given.items() if value is not None}


def github_triggers(file: Path) -> dict[str, Any]:
    """What starts a workflow. PyYAML reads the key `on` as true."""
    triggers = yaml.safe_load(file.read_text("utf-8"))[True]
    assert isinstance(triggers, dict)
    return triggers


def differences(github: Path, azure_devops: Path) -> list[str]:
    """Where the two do not do the same, one line each."""
    found = [f"only one side has {name}" for name in sorted(names(github) ^ names(azure_devops))]
    if found:
        return found
    for name, event, inputs in situations(github):
        ours = github_jobs(workflow(github, name), event, **inputs)
        theirs = azure_jobs(pipeline(azure_devops, name), event, **inputs)
        ours = {title: job for title, job in ours.items() if title not in ONLY_ON_GITHUB}
        found += [f"{name}, {event}: only one side has {title!r}" for title in sorted(ours.keys() ^ theirs.keys())]
        for title in ours.keys() & theirs.keys():
            found += [f"{name}, {event}, {title}: {line}" for line in job_differences(ours[title], theirs[title])]
    return sorted(set(found))


def job_differences(ours: Job, theirs: Job) -> Iterator[str]:
    """The properties of a job that are not the same."""
    for key in Job.__dataclass_fields__:
        left, right = getattr(ours, key), getattr(theirs, key)
        if left != right:
            yield f"{key}: {left} on GitHub, {right} on Azure DevOps"


def test_both_do_the_same(github: Path, azure_devops: Path) -> None:
    """Whatever starts them, both run the same tasks in the same order, as the same environments, with the same limits."""
    assert differences(github, azure_devops) == []


def test_all_situations_were_compared(github: Path) -> None:
    """Pull request, push and hand; each environment; with and without sample rows."""
    seen = [(name, event) for name, event, _ in situations(github)]
    assert {(name, event): seen.count((name, event)) for name, event in seen} == {
        ("ci", "pull_request"): 1,
        ("ci", "push"): 1,
        ("drift", "schedule"): 1,
        ("drift", "workflow_dispatch"): 1,
        ("infra", "pull_request"): 1,
        ("infra", "workflow_dispatch"): 3,
        ("score", "workflow_dispatch"): 3,
        ("train", "workflow_dispatch"): 6,
    }


def test_what_one_side_lacks_is_still_there(github: Path) -> None:
    """Each exception names a job that exists and calls no task, so that nothing of the project is lost by it."""
    jobs = github_jobs(workflow(github, "ci"), "push")
    assert {title: jobs[title].calls for title in ONLY_ON_GITHUB} == dict.fromkeys(ONLY_ON_GITHUB, ())


@pytest.mark.parametrize(
    ("file", "old", "new", "difference"),
    [
        ("ci.yml", "uv run poe types", "uv run poe test", "calls"),
        ("ci.yml", "displayName: Check types", "displayName: Types", "calls"),
        ("ci.yml", "displayName: Platform and infrastructure files", "displayName: Files", "only one side has 'Files'"),
        ("ci.yml", "timeoutInMinutes: 30", "timeoutInMinutes: 60", "timeout: 30 on GitHub, 60 on Azure DevOps"),
        ("train.yml", "task: platform-data", "task: platform-score", "calls"),
        ("train.yml", "lockBehavior: sequential", "lockBehavior: runLatest", "lock"),
        ("train.yml", "value: ${{ parameters.environment }}", "value: dev", "environment: prod on GitHub, dev"),
        ("infra.yml", "          environment: staging\n", "          environment: dev\n", "'Plan for staging'"),
        ("infra.yml", "        dependsOn: plan_${{ parameters.environment }}\n", "", "needs"),
        ("infra.yml", "task: infra-deploy", "task: infra-plan", "calls"),
        ("infra.yml", "dependsOn: [plan_dev, plan_staging, plan_prod]", "dependsOn: [plan_dev]", "needs"),
        ("infra.yml", "scripts/comment.sh", "scripts/clean.sh", "calls"),
        ("train.yml", "name: ${{ variables.pool }}", "name: theirs", "is_placed: True on GitHub, False"),
        ("templates/drift.yml", "task: infra-drift", "task: infra-plan", "calls"),
        ("templates/drift.yml", "timeoutInMinutes: 30", "timeoutInMinutes: 60", "timeout"),
        ("drift.yml", "      environment: prod\n", "      environment: dev\n", "'Look for drift in prod'"),
    ],
)
def test_a_difference_is_found(
    github: Path, azure_devops: Path, file: str, old: str, new: str, difference: str
) -> None:
    """Another task, name, limit, lock, environment or order on one side is each found."""
    change(azure_devops / ".azuredevops" / file, old, new)
    assert any(difference in line for line in differences(github, azure_devops)), differences(github, azure_devops)


@pytest.mark.parametrize(
    ("file", "old", "new", "difference"),
    [
        ("infra.yml", "    needs: plan\n", "", "needs"),
        ("infra.yml", "environment: plan-${{", "environment: ${{", "is_guarded"),
        ("infra.yml", "      cancel-in-progress: false", "      cancel-in-progress: true", "lock"),
        ("train.yml", "        run: uv run pipeline sample\n", "        run: echo\n", "calls"),
        ("score.yml", "timeout-minutes: 350", "timeout-minutes: 35", "timeout"),
        ("score.yml", "${{ vars.RUNNER || 'ubuntu-24.04' }}", "ubuntu-24.04", "is_placed: False on GitHub, True"),
        ("drift.yml", "[dev, staging, prod]", "[dev, prod]", "'Look for drift in staging'"),
    ],
)
def test_a_difference_on_github_is_found(
    github: Path, azure_devops: Path, file: str, old: str, new: str, difference: str
) -> None:
    """The comparison looks from both sides."""
    change(github / ".github/workflows" / file, old, new)
    assert any(difference in line for line in differences(github, azure_devops)), differences(github, azure_devops)


def test_a_missing_twin_is_found(github: Path, azure_devops: Path) -> None:
    """A pipeline that one side lacks is named before anything else."""
    pipeline(azure_devops, "score").unlink()
    assert differences(github, azure_devops) == ["only one side has score"]


def change(file: Path, old: str, new: str) -> None:
    """Break a file on purpose; the old text must be there, or the test would prove nothing."""
    text = file.read_text("utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}: choose another fault"
    file.write_text(text.replace(old, new), "utf-8")


# --- what they share


def script(project: Path, name: str) -> str:
    """The text of a script beside the workflows or pipelines."""
    folder = project / (".github" if (project / ".github").is_dir() else ".azuredevops")
    return (folder / "scripts" / name).read_text("utf-8")


def test_both_clean_a_text_alike(github: Path, azure_devops: Path) -> None:
    """What may be shown in a summary, a comment or an issue is decided by the same script."""
    assert script(github, "clean.sh") == script(azure_devops, "clean.sh")


def test_both_say_the_same(github: Path, azure_devops: Path) -> None:
    """Comments begin alike, and issues have the same title and label."""
    for name, pattern in (("comment.sh", r"plan for \$environment|### .*\$environment"), ("issue.sh", r"^title=.*$")):
        ours, theirs = (re.findall(pattern, script(side, name), re.MULTILINE) for side in (github, azure_devops))
        assert ours == theirs and ours


def checkouts(side: Path) -> list[dict[str, Any]]:
    """How the jobs that plan and deploy get the files."""
    if (side / ".github").is_dir():
        jobs = yaml.safe_load(workflow(side, "infra").read_text("utf-8"))["jobs"]
        steps = [step for name in ("plan", "deploy") for step in jobs[name]["steps"]]
        return [step.get("with", {}) for step in steps if "actions/checkout" in str(step.get("uses"))]
    run = azure_pipelines.expand(pipeline(side, "infra"), "Manual", environment="prod")
    return [step for job in azure_pipelines.jobs(run) for step in job.steps if "checkout" in step]


def test_what_is_deployed_is_what_was_planned(github: Path, azure_devops: Path) -> None:
    """Plan and deployment are jobs of one run and take its commit: neither names another branch, commit or repository."""
    assert checkouts(github) == [{"persist-credentials": False}] * 2
    assert checkouts(azure_devops) == [{"checkout": "self", "fetchDepth": 1, "persistCredentials": False}] * 2


# --- what starts them


@dataclass(frozen=True)
class Start:
    """What starts a workflow or pipeline, and what a person may choose."""

    on_pull_request: tuple[str, ...] | None  # the paths, empty for all; None for never
    on_push: tuple[str, ...]
    schedule: tuple[str, bool] | None  # the time, and whether it is in force or a line that a team uncomments
    choices: Mapping[str, tuple[str, str, object, tuple[str, ...]]]  # words, kind, default, values


KINDS = {"choice": "string", "boolean": "boolean"}


def github_start(file: Path) -> Start:
    """What starts a workflow."""
    triggers = github_triggers(file)
    inputs = (triggers.get("workflow_dispatch") or {}).get("inputs", {})
    paths = tuple((triggers.get("pull_request") or {}).get("paths", ()))
    return Start(
        on_pull_request=paths if "pull_request" in triggers else None,
        on_push=tuple((triggers.get("push") or {}).get("branches", ())),
        schedule=schedule(file),
        choices={
            name: (item["description"], KINDS[item["type"]], item["default"], tuple(item.get("options", ())))
            for name, item in inputs.items()
        },
    )


def azure_start(file: Path, policies: Mapping[str, tuple[str, ...]]) -> Start:
    """What starts a pipeline. Pull requests do by a policy of the branch, which docs/ci.md makes."""
    content = azure_pipelines.load(file)
    trigger = content["trigger"]
    return Start(
        on_pull_request=policies.get(file.stem),
        on_push=() if trigger == "none" else tuple(trigger["branches"]["include"]),
        schedule=schedule(file),
        choices={
            item["name"]: (item["displayName"], item["type"], item["default"], tuple(item.get("values", ())))
            for item in content.get("parameters", [])
        },
    )


def schedule(file: Path) -> tuple[str, bool] | None:
    """The time of a schedule, and whether it is in force: otherwise its line is there to be uncommented."""
    lines = re.findall(r'^\s*(#?)\s*- cron: "(.*)"$', file.read_text("utf-8"), re.MULTILINE)
    assert len(lines) <= 1, f"{file.name} has several schedules"
    return (lines[0][1], not lines[0][0]) if lines else None


def test_only_the_look_for_drift_is_scheduled_at_once(github: Path) -> None:
    """It costs nothing in Azure and passes over what is not configured; the others wait for somebody to want them."""
    times = {name: schedule(workflow(github, name)) for name in names(github)}
    assert {name: is_on for name, (_, is_on) in ((name, time) for name, time in times.items() if time)} == {
        "drift": True,
        "score": False,
        "train": False,
    }


def policies(azure_devops: Path, folder: Path) -> dict[str, tuple[str, ...]]:
    """The policies of the branch that docs/ci.md makes: the pipeline, and the paths that a pull request must touch."""
    (script,) = ci_page.scripts((azure_devops / "docs/ci.md").read_text("utf-8"))
    trial = ci_page.tried(script, folder, {"pipelines create": "7", "repos show": "r"}, "az")
    made = trial.called("az", "repos", "policy", "build", "create")
    return {option(call, "--display-name"): tuple(paths(call)) for call in made}


def paths(call: list[str]) -> Iterator[str]:
    """The path filter of a policy in GitHub's words: `/infra/*` reaches into every folder there."""
    if "--path-filter" in call:
        for path in option(call, "--path-filter").split(";"):
            yield re.sub(r"/\*$", "/**", path.removeprefix("/"))


def test_the_same_starts_them(github: Path, azure_devops: Path, tmp_path: Path) -> None:
    """Pull requests, pushes to main, the hand with its choices, and the schedule that waits to be uncommented."""
    made = policies(azure_devops, tmp_path)
    for name in names(github):
        assert github_start(workflow(github, name)) == azure_start(pipeline(azure_devops, name), made), name
    assert made.keys() == {"ci", "infra"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (".azuredevops/ci.yml", "include: [main]", "include: [main, develop]"),
        (".azuredevops/train.yml", 'cron: "17 4', 'cron: "18 4'),
        (".azuredevops/drift.yml", '  - cron: "17 3', '  # - cron: "17 3'),
        (".azuredevops/train.yml", "default: dev", "default: prod"),
        (".azuredevops/train.yml", "values: [dev, staging, prod]", "values: [dev, prod]"),
        (".azuredevops/score.yml", "displayName: Environment to score in", "displayName: Environment"),
        ("docs/ci.md", ";/tasks/*", ""),
        ("docs/ci.md", 'required ci "$CI"\n', ""),
        ("docs/ci.md", 'required infra "$INFRA"', 'required train "$INFRA"'),
    ],
)
def test_another_start_is_found(
    github: Path, azure_devops: Path, tmp_path: Path, file: str, old: str, new: str
) -> None:
    """Another branch, time, default, value or word, and a policy that is missing, too wide or for another pipeline."""
    change(azure_devops / file, old, new)
    made = policies(azure_devops, tmp_path)
    starts = [
        (github_start(workflow(github, name)), azure_start(pipeline(azure_devops, name), made))
        for name in names(github)
    ]
    assert any(ours != theirs for ours, theirs in starts)


# --- tasks and pages


def called_tasks(github: Path) -> set[str]:
    """The poe tasks that CI calls; both sides call the same."""
    runs = [github_jobs(workflow(github, name), event, **inputs) for name, event, inputs in situations(github)]
    called = {call for jobs in runs for job in jobs.values() for _, call in job.calls}
    return {call.removeprefix("poe ") for call in called if call.startswith("poe ")}


def defined_tasks(project: Path) -> set[str]:
    """The poe tasks that a project defines."""
    found: set[str] = set()
    for file in sorted((project / "tasks").glob("*.toml")):
        found |= set(tomllib.loads(file.read_text("utf-8"))["tool"]["poe"]["tasks"])
    return found


def missing_tasks(called: set[str], matrix: Matrix) -> dict[str, set[str]]:
    """The tasks that a project lacks, by its variant."""
    missing = {name: called - defined_tasks(project) for name, project in matrix.projects.items()}
    return {name: tasks for name, tasks in missing.items() if tasks}


def test_ci_calls_the_contract_and_each_project_has_it(github: Path, matrix: Matrix) -> None:
    """Whatever platform and infrastructure a project has, the tasks that CI calls are there, and so are those for people."""
    called = called_tasks(github)
    assert {task for task in called if task.startswith(("platform-", "infra-"))} == CONTRACT
    assert missing_tasks(called | BY_HAND, matrix) == {}


def test_a_task_that_does_not_exist_is_found(github: Path, matrix: Matrix) -> None:
    """A misspelt task is missing from every project."""
    change(workflow(github, "train"), "poe platform-train", "poe platform-trian")
    missing = missing_tasks(called_tasks(github), matrix)
    assert missing.keys() == matrix.projects.keys() and all("platform-trian" in tasks for tasks in missing.values())


def test_both_offer_the_environments_that_have_a_configuration(github: Path, azure_devops: Path) -> None:
    """Each environment that a person may choose has its file in config/, and the other way round."""
    configured = {file.stem for file in (azure_devops / "config").glob("*.yml")} - {"base", "sweep"}
    assert configured == set(ENVIRONMENTS)
    for name in ("infra", "score", "train"):
        assert set(github_start(workflow(github, name)).choices["environment"][3]) == configured


def dead_pointers(project: Path) -> list[str]:
    """The sections of other pages that docs/ci.md names and that are not there."""
    text = " ".join((project / "docs/ci.md").read_text("utf-8").split())
    named = re.findall(r"section (\d+) of `(docs/\w+\.md)`", text)
    named += [(number, page) for page, number in re.findall(r"`(docs/\w+\.md)`, section (\d+)", text)]
    assert len(named) >= 3, "docs/ci.md names no sections of other pages"
    headings = {page: (project / page).read_text("utf-8") for _, page in named}
    return [f"{page} has no section {number}" for number, page in named if f"\n## {number}. " not in headings[page]]


def test_the_page_points_at_sections_that_exist(matrix: Matrix) -> None:
    """On every platform, `docs/resources.md` has the rights and the parameters where docs/ci.md looks for them."""
    assert {name: dead for name, project in matrix.projects.items() if (dead := dead_pointers(project))} == {}


def test_a_dead_pointer_is_found(matrix: Matrix, tmp_path: Path) -> None:
    """A section that was moved is named."""
    project = shutil.copytree(next(iter(matrix.projects.values())) / "docs", tmp_path / "docs").parent
    change(tmp_path / "docs/resources.md", "\n## 5. ", "\n## 9. ")
    assert "docs/resources.md has no section 5" in dead_pointers(project)
