"""`python src <step>`: how a job starts a step from uploaded code, without an installation."""

from handbook_assistant.cli import main

main()
