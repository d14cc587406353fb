"""What a project's platform files read of its infrastructure: the same names in every infrastructure language."""

from __future__ import annotations

from collections.abc import Iterable

# What projects that answer questions have besides, on any platform.
RAG_OUTPUTS = {
    "openai_endpoint",
    "content_safety_endpoint",
    "search_endpoint",
    "chat_deployment",
    "embedding_deployment",
    "serving_identity_client_id",  # on Azure ML every project has it
}
PLATFORM_OUTPUTS = {
    "aml": {
        "workspace_name",
        "resource_group_name",
        "storage_account_name",
        "key_vault_name",
        "container_registry_name",
        "application_insights_name",
        "compute_name",
        "compute_identity_client_id",
        "serving_identity_client_id",
        "model_registry_name",
    },
    "databricks": {
        "workspace_name",
        "workspace_url",
        "resource_group_name",
        "storage_account_name",
        "catalog_storage_url",
        "access_connector_id",
    },
}

# By kind of infrastructure: a platform, with what one project type adds, each in a public and in a private network. Whose network
# it is makes no difference to who reads the outputs.
OPEN = {
    **PLATFORM_OUTPUTS,
    **{f"{platform}-rag": names | RAG_OUTPUTS for platform, names in PLATFORM_OUTPUTS.items()},
}
OUTPUTS = {**OPEN, **{f"{kind}-private": names for kind, names in OPEN.items()}}


def variants_of(kind: str, language: str, names: Iterable[str]) -> list[str]:
    """The variants whose infrastructure is of a kind, such as `aml-rag-private`, in a language. Raises LookupError for none."""
    wanted = {*kind.split("-"), language}
    decided = {"rag", "private"}
    split = {name: set(name.split("-")) for name in names}
    found = [name for name, parts in split.items() if wanted <= parts and parts & decided == wanted & decided]
    if not found:
        raise LookupError(f"no variant is of the kind {kind} in {language}")
    return found
