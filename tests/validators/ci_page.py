"""The shell scripts that a page of a project tells its reader to save and run, tried on stand-ins of the command lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLANK = re.compile(r"<[A-Za-z][^<>\n]*>")
# Writes down how it was called, its files included, and answers with the first answer whose phrases are all in the call.
STAND_IN = """#!{python}
import json, os, pathlib, sys
call = [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]
text = [pathlib.Path(word).read_text() if os.path.isfile(word) else word for word in call]
with open("calls", "a") as calls:
    calls.write(json.dumps(text) + "\\n")
for phrases, answer in json.loads(pathlib.Path("answers").read_text()):
    if all(phrase in " ".join(call) for phrase in phrases.split(" + ")):
        if answer is None:
            sys.exit(1)
        print(answer)
        break
"""


@dataclass(frozen=True)
class Trial:
    """How a script ended, what it printed, and how it called other programs, in order."""

    code: int
    printed: str
    errors: str
    calls: list[list[str]]

    def called(self, *words: str) -> list[list[str]]:
        """The calls that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]


def option(call: list[str], name: str) -> str:
    """What a call gives to an option."""
    return call[call.index(name) + 1]


def scripts(page: str) -> list[str]:
    """The scripts of a page, the blanks that a reader fills in replaced by words: `<resource group>` by `resource-group`."""
    return [BLANK.sub(lambda blank: re.sub(r"[^A-Za-z]+", "-", blank[0][1:-1]), block) for block in BLOCK.findall(page)]


def shellcheck(tool: str, script: str) -> str:
    """What shellcheck says about a script that is run with bash."""
    done = subprocess.run([tool, "--shell=bash", "-"], input=script, capture_output=True, text=True, check=False)
    return done.stdout


def tried(script: str, folder: Path, answers: Mapping[str, str | None], *programs: str) -> Trial:
    """Run a script with stand-ins for programs. A call is answered by its phrases, as in `show + --query id`; None fails."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "answers").write_text(json.dumps(list(answers.items())), "utf-8")
    (folder / "calls").write_text("", "utf-8")
    for program in programs:
        (folder / "bin" / program).write_text(STAND_IN.replace("{python}", sys.executable), "utf-8")
        (folder / "bin" / program).chmod(0o755)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    calls = [json.loads(line) for line in (folder / "calls").read_text("utf-8").splitlines()]
    return Trial(done.returncode, done.stdout, done.stderr, calls)
