"""Render each `examples/<name>.answers.yml` into `examples/<name>/`, or with --check fail when the two differ.

The trees are for reading: people see what they would get, and a review of the template shows what a change does to a project.
The answers file is left out, since it records where and when the template was rendered.
"""

from __future__ import annotations

import difflib
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import conftest  # noqa: E402  (the helpers of the tests are not a package)


def rendered(answers: Path, scratch: Path) -> Path:
    """A fresh render of the working tree, without the answers file."""
    source = conftest.copy_working_tree(scratch / "template")
    project = conftest.render_without_git(source, scratch / "project", yaml.safe_load(answers.read_text("utf-8")))
    (project / conftest.ANSWERS_FILE).unlink()
    return project


def differences(expected: Path, found: Path) -> list[str]:
    """One diff for each file that is missing, superfluous or different; empty when the trees are equal."""
    old, new = conftest.tree(found) if found.exists() else {}, conftest.tree(expected)
    return [
        "".join(difflib.unified_diff(lines(old.get(path)), lines(new.get(path)), f"examples: {path}", f"template: {path}"))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def lines(content: bytes | None) -> list[str]:
    """The lines of a file, none for a file that does not exist."""
    return (content or b"").decode(errors="replace").splitlines(keepends=True)


def build(answers: Path, *, write: bool) -> list[str]:
    """Render one example, write it when asked to, and return how it differed."""
    target = answers.with_name(answers.name.removesuffix(".answers.yml"))
    with tempfile.TemporaryDirectory() as scratch:
        project = rendered(answers, Path(scratch))
        changed = differences(project, target)
        if write and changed:
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(project, target)
    return changed


def main() -> int:
    """Build or check every example; the exit status is 1 when a check found a difference."""
    write = "--write" in sys.argv[1:]
    examples = sorted(HERE.glob("*.answers.yml"))
    if not examples:
        raise SystemExit("no examples/*.answers.yml")
    stale = 0
    for answers in examples:
        changed = build(answers, write=write)
        stale += bool(changed)
        print(f"{answers.name}: {len(changed)} files differ" if changed else f"{answers.name}: up to date")
        if changed and not write:
            print("\n".join(changed)[:20_000], "Run: nox -s examples -- --write", sep="\n")
    return int(stale > 0 and not write)


if __name__ == "__main__":
    raise SystemExit(main())
