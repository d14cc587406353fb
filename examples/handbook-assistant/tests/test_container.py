"""The image of the chat server: read as Docker reads it, and its context as it is gathered. Nothing is built here."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tasks import chat_image  # noqa: E402


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its words; lines that go on are joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "container/Dockerfile").read_text(encoding="utf-8"))
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def words(name: str) -> list[str]:
    """What stands behind an instruction, each time."""
    return [rest for found, rest in instructions() if found == name]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A context without a model."""
    folder = tmp_path_factory.mktemp("image") / "context"
    chat_image.gather(folder, None)
    return folder


def test_every_instruction_is_one() -> None:
    """Misspelt ones would stop the build."""
    known = {"FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {name for name, _ in instructions()} <= known
    assert instructions()[0] == ("FROM", f"python:{(ROOT / '.python-version').read_text().strip()}-slim-bookworm")


def test_the_server_runs_without_rights() -> None:
    """As a user with a number, which Kubernetes can check, from before the command on."""
    names = [name for name, _ in instructions()]
    assert words("USER") == ["10001"]
    assert names.index("USER") < names.index("CMD")
    assert max(place for place, name in enumerate(names) if name in ("RUN", "COPY")) < names.index("USER")


def test_every_package_has_a_hash(context: Path) -> None:
    """Nothing is installed that uv.lock does not name, and nothing that only develops."""
    assert any("--require-hashes" in line and "--no-deps" in line for line in words("RUN"))
    text = (context / "requirements.txt").read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in package for package in packages)
    names = {re.split(r"[=\s@]", package)[0] for package in packages}
    assert {"fastapi", "uvicorn", "mlflow"} <= names
    assert not names & {"pytest", "ruff", "playwright", "mypy"}


def test_all_that_is_copied_is_in_the_context(context: Path) -> None:
    """And no setting of one computer, no data, no history."""
    for line in words("COPY"):
        assert (context / line.split()[0]).exists(), line
    assert {path.name for path in context.iterdir()} == {"Dockerfile", "config", "model", "requirements.txt", "src"}
    assert not list(context.rglob("__pycache__"))


def test_the_command_and_the_probe_are_those_of_the_server() -> None:
    """The module exists, the probe asks a route of it at the port of the environment, and needs no curl."""
    command = json.loads(words("CMD")[0])
    assert command[:3] == ["python", "-m", "handbook_assistant.server"]
    assert "--model" not in command
    probe = words("HEALTHCHECK")[0]
    asked = json.loads(probe[probe.index("CMD") + 3 :])
    compile(asked[-1], "probe", "exec")
    assert "/healthz" in asked[-1]
    assert "curl" not in probe
    settings = dict(pair.split("=") for line in words("ENV") for pair in line.split())
    assert settings["PORT"] == words("EXPOSE")[0]
    assert "environ['PORT']" in asked[-1]


def test_a_context_without_its_model_is_refused(tmp_path: Path) -> None:
    """In one line with the mend."""
    with pytest.raises(SystemExit, match="--no-model"):
        chat_image.gather(tmp_path / "context", tmp_path)
