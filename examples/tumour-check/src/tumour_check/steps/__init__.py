"""The steps of the pipeline: folders in, folders out. No step knows the platform that it runs on."""
