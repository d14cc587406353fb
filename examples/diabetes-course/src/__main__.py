"""`python src <step>`: how a job starts a step from uploaded code, without an installation."""

from diabetes_course.cli import main

main()
