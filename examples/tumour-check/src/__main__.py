"""`python src <step>`: how a job on Azure ML starts a step, from the uploaded code and without an installation."""

from tumour_check.cli import main

main()
