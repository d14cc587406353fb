"""Every check of the template. `nox` runs what CI runs; `nox -s benchmark` prints figures and judges nothing.

All Python tools come from the dependency groups of pyproject.toml. Two tools of `validate` cannot share that environment and
get a place of their own under .nox: checkov, which pins another parser of Bicep than ours, and Node packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
CHECKOV = "checkov==3.3.30"
AZURERM = "@cdktf/provider-azurerm@14.23.1"
WORKERS = ("-n", "2")
MEMORY = "/dev/shm"  # noqa: S108  (a folder of pytest's own is made in it)
YAMLLINT = """{extends: default, rules: {
  comments: {min-spaces-from-content: 1}, comments-indentation: disable, document-start: disable, line-length: disable,
  truthy: {check-keys: false}}}"""

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "render", "validate", "lifecycle", "examples"]


def install(session: nox.Session, group: str) -> None:
    """Install a dependency group, and take away variables that would mislead the tools."""
    session.install("--compile-bytecode", "--group", group)
    # nox names its own environment in the last two, and a `uv sync` in a test project would turn it into that project's.
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"):
        session.env[name] = None
    # Where pip is given a folder of wheels, PyTorch for the CPU lies there, and its own index may be out of reach.
    if wheels := os.environ.get("PIP_FIND_LINKS"):
        session.env.update(UV_FIND_LINKS=wheels, UV_NO_SOURCES="1")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types of the template's own Python and YAML."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run(
        "yamllint",
        "--strict",
        "--config-data",
        YAMLLINT,
        "copier.yml",
        "extensions",
        ".github",
        ".pre-commit-config.yaml",
    )


@nox.session
def render(session: nox.Session) -> None:
    """One owner a path, every variant sound, answers refused or kept as data, networks planned, choices switched without loss."""
    install(session, "render")
    # Some hundred small renders: memory is twice as fast as a disk.
    if os.access(MEMORY, os.W_OK):
        session.env["PYTEST_DEBUG_TEMPROOT"] = MEMORY
    names = ("ownership", "render", "answers", "network", "update")
    tests = tuple(f"tests/test_{name}.py" for name in names)
    session.run("pytest", *WORKERS, *(session.posargs or tests))


@nox.session
def validate(session: nox.Session) -> None:
    """Real tools over each different rendered file."""
    install(session, "validate")
    session.env["CHECKOV"] = str(checkov(session))
    packages = node_packages(session)
    session.env["AZMCP"] = str(azmcp(packages))
    session.env["NODE_PATH"] = str(packages / "node_modules")
    session.env["TF_SCHEMA"] = str(terraform_schema(session))
    session.run("pytest", *WORKERS, *(session.posargs or ("tests/validators",)))


@nox.session
def lifecycle(session: nox.Session) -> None:
    """The first day of a fresh project, for every project type and platform, and the checks of every task."""
    install(session, "lifecycle")
    session.env["BROWSER"] = str(browser(session, node_packages(session)))
    # One worker a project (the file says why), and what took long: in the tests, and by -rP in those of the projects.
    options = (*WORKERS, "--dist", "loadgroup", "--durations=40", "-rP")
    session.run("pytest", *options, *(session.posargs or ("tests/test_lifecycle.py",)))


@nox.session
def examples(session: nox.Session) -> None:
    """The rendered examples are up to date. `nox -s examples -- --write` renders them again."""
    install(session, "render")
    session.run("python", "examples/build.py", *(session.posargs or ("--check",)))


@nox.session
def benchmark(session: nox.Session) -> None:
    """Print how long renders, a fresh project and its pipeline take."""
    install(session, "render")
    session.run("python", "tests/benchmark.py", *session.posargs)


def tool_folder(session: nox.Session, content: str) -> Path:
    """A folder that is kept as long as what decides its content is the same, and is complete when `done` lies in it."""
    folder = session.cache_dir / "tools" / hashlib.sha256(content.encode()).hexdigest()[:16]
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder.resolve()


def checkov(session: nox.Session) -> Path:
    """Install checkov into an environment of its own and return the executable."""
    folder = tool_folder(session, CHECKOV)
    if not (folder / "done").exists():
        session.run("uv", "venv", "--quiet", str(folder / "venv"))
        session.run("uv", "pip", "install", "--quiet", "--python", str(folder / "venv"), CHECKOV)
        (folder / "done").touch()
    return next((folder / "venv").glob("*/checkov*"))


def node_packages(session: nox.Session) -> Path:
    """Install the Node packages without running their scripts, and return the folder."""
    manifest = ROOT / "tests/validators/package.json"
    folder = tool_folder(session, manifest.read_text("utf-8"))
    if not (folder / "done").exists():
        shutil.copy(manifest, folder)
        # npm comes from a wheel of the same group, so that Python is all a machine needs.
        session.run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder))
        (folder / "done").touch()
    return folder


def browser(session: nox.Session, packages: Path) -> Path:
    """Unpack the Chromium that comes as a Node package, and return the command that starts it."""
    script = ROOT / "tests/validators/browser.js"
    folder = tool_folder(session, script.read_text("utf-8") + (packages / "package.json").read_text("utf-8"))
    if not (folder / "done").exists():
        session.run("node", str(script), str(folder), env={"NODE_PATH": str(packages / "node_modules")})
        (folder / "done").touch()
    return folder / "browser"


def azmcp(folder: Path) -> Path:
    """The executable that knows Azure's resource types."""
    found = sorted(path for path in folder.glob("node_modules/@azure/mcp-*/dist/azmcp*") if path.suffix in {"", ".exe"})
    return found[0] if found else next((folder / "node_modules/.bin").glob("azmcp-*"))


def terraform_schema(session: nox.Session) -> Path:
    """Build the schema of Terraform's azurerm provider from a Node package, once for each state of its builder."""
    builder, changes = (ROOT / "tests/validators" / name for name in ("terraform_schema.py", "azurerm_changes.toml"))
    folder = tool_folder(session, AZURERM + builder.read_text("utf-8") + changes.read_text("utf-8"))
    schema = folder / "azurerm.json"
    if not (folder / "done").exists():
        session.run("npm", "pack", "--silent", "--pack-destination", str(folder), AZURERM)
        archive = next(folder.glob("*.tgz"))
        shutil.unpack_archive(archive, folder, filter="data")
        session.run("python", str(builder), str(folder / "package"), str(changes), str(schema))
        archive.unlink()
        shutil.rmtree(folder / "package")
        (folder / "done").touch()
    return schema
