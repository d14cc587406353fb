"""Updates this project from its template, or switches a choice, and says what became of your own changes.

It runs `copier update`, which merges the template's changes with yours. By itself that deletes the files of a choice
that you left, whether you had changed them or not, and ends with 0 when both changed the same lines. So this compares
the project with what the template made of it, brings back what you had changed, and ends with 1 when there is
something to merge by hand. Nothing is committed.

Run: uv run poe update                              the newest release of the template
     uv run poe update --data platform=databricks   another choice
Further options are those of `copier update`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

ANSWERS = Path(".copier-answers.yml")
COPIER = (os.environ.get("UV", "uv"), "tool", "run", "--quiet", "--from", "copier>=9.19,<10", "copier")


class UpdateError(Exception):
    """The update could not begin or did not end; its text is one line with the mend."""


def git(*arguments: str) -> str:
    """What git prints.

    Raises:
        UpdateError: git is not there, or refuses.
    """
    try:
        command = ["git", "-c", "core.quotepath=off", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise UpdateError("git is not installed: an update needs it to merge") from error
    except subprocess.CalledProcessError as error:
        raise UpdateError(f"git {arguments[0]}: {error.stderr.strip()}") from error
    return done.stdout


def copier(*arguments: str, quietly: bool = False) -> None:
    """Run Copier, on this terminal unless quietly.

    Raises:
        UpdateError: it ended with an error.
    """
    try:
        subprocess.run([*COPIER, *arguments], check=True, text=True, stderr=subprocess.PIPE if quietly else None)
    except FileNotFoundError as error:
        raise UpdateError("cannot find uv: run this as uv run poe update") from error
    except subprocess.CalledProcessError as error:
        told = (error.stderr or "its message is above").strip().splitlines()[-1]
        raise UpdateError(f"copier {arguments[0]} ended with {error.returncode}: {told}") from error


def original(folder: Path) -> Path:
    """Make the project again as the template made it at the last update, from the recorded answers.

    Raises:
        UpdateError: the project does not know its template, or that cannot be fetched.
    """
    try:
        recorded = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
        source, release = recorded["_src_path"], recorded["_commit"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise UpdateError(f"{ANSWERS} does not say where the template is: run this in the project's root") from error
    answers = folder / "answers.yml"
    given = {name: answer for name, answer in recorded.items() if not name.startswith("_")}
    answers.write_text(yaml.safe_dump(given), encoding="utf-8")
    made = folder / "made"
    options = ("--quiet", "--defaults", "--vcs-ref", release, "--data-file", str(answers))
    copier("copy", *options, source, str(made), quietly=True)
    return made


def changed(made: Path) -> list[Path]:
    """The files of the template that are here with other content than it gave them."""
    files = (path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file())
    return [path for path in files if path.is_file() and path.read_bytes() != (made / path).read_bytes()]


def added(made: Path) -> list[Path]:
    """The files in git that are not the template's."""
    return [path for path in map(Path, git("ls-files").splitlines()) if not (made / path).exists()]


def deleted() -> list[Path]:
    """The files in git that are gone."""
    return [Path(line) for line in git("diff", "--name-only", "--no-renames", "--diff-filter=D", "HEAD").splitlines()]


def brought_back(files: Sequence[Path]) -> list[Path]:
    """Of these files those that were gone, and are there again as they were committed."""
    gone = [path for path in files if not path.exists()]
    if gone:
        git("checkout", "HEAD", "--", *map(str, gone))
    return gone


def to_merge() -> list[str]:
    """The files that both sides changed in the same place."""
    return sorted({line.split("\t")[1] for line in git("ls-files", "--unmerged").splitlines()})


def update(arguments: Sequence[str]) -> int:
    """Update, tell, and return the exit code: 1 when there is something to merge by hand.

    Raises:
        UpdateError: nothing was changed, or Copier stopped and has said why.
    """
    if git("status", "--porcelain"):
        raise UpdateError("there are changes that are not committed: commit them first, so that nothing can be lost")
    with tempfile.TemporaryDirectory() as scratch:
        made = original(Path(scratch))
        edited, own = changed(made), added(made)
    copier("update", "--skip-answered", *arguments)
    folders = {path.parent for path in deleted()}
    kept, conflicts = brought_back(edited), to_merge()
    tell("Your own changes are in files that the template no longer has. They stay until you delete them", kept)
    beside = [path for path in own if path.parent in folders]
    tell("Files of your own lie where the template no longer has some. See whether they still belong there", beside)
    tell("You and the template changed the same lines. Choose between the conflict marks, then git add", conflicts)
    print("\nNext: uv lock && uv run poe check, then commit.")
    return 1 if conflicts else 0


def tell(what: str, files: Sequence[object]) -> None:
    """Print a list under its meaning, or nothing when it is empty."""
    if files:
        print(f"\n{what}:", *(f"  {path}" for path in files), sep="\n")


if __name__ == "__main__":
    try:
        sys.exit(update(sys.argv[1:]))
    except UpdateError as problem:
        print(f"error: {' '.join(str(problem).split())}", file=sys.stderr)
        sys.exit(2)
