"""`python src <step>`: how a job starts a step from uploaded code, without an installation."""

from ticket_router.cli import main

main()
