"""`python src <step>`: how a job starts a step from uploaded code, without an installation."""

from tumour_check.cli import main

main()
