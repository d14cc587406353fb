"""`python src <step>`: how a job starts a step from uploaded code, without an installation."""

from digit_reader.cli import main

main()
