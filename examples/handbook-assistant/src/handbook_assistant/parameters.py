"""The numbers that a run can vary, with their bounds. The values are in config/.

Add a field here and a value in config/base.yml, and `--set train.your_field=…`, sweeps and the tracking
server know it; no platform file needs a change. A path is relative to the project's folder, wherever a job runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from .paths import Versioned


class Prepare(BaseModel, extra="forbid", frozen=True):
    """How documents are read, and questions are checked and split."""

    golden: Versioned = Field(Path("evals/golden.jsonl"), description="questions with their answers")
    attacks: Versioned = Field(Path("evals/redteam.jsonl"), description="what must not succeed; all of it is tested")
    split: Literal["group", "time"] = "group"
    validation: float = Field(gt=0, lt=1, description="share of the questions")
    test: float = Field(gt=0, lt=1, description="share of the questions")
    rejected_at_most: float = Field(0.05, ge=0, lt=1, description="share of rows or documents that may be set aside")


class Train(BaseModel, extra="forbid", frozen=True):
    """What is searched, what answers, and what is let through."""

    seed: int = 0

    # passages
    words: int = Field(180, ge=20, le=2000, description="of a passage, at most")
    overlap: int = Field(0, ge=0, description="words of the passage before, at most")
    passages: int = Field(6, ge=1, le=20, description="that an answer is made from, at most")

    # where they are found
    index: Literal["sqlite", "azure_search", "databricks_search"] = "sqlite"
    state: Path = Field(Path("outputs/index"), description="folder of the index file between two runs")
    index_name: str | None = Field(None, min_length=1, description="in the cloud; default: the package's name")
    search_endpoint: str | None = Field(None, min_length=1, description="default: AZURE_SEARCH_ENDPOINT")
    rerank: bool = Field(True, description="by the search service's own ranker")
    embedding: str | None = Field(None, min_length=1, description="model for an index in the cloud")
    dimension: int = Field(1536, ge=1, description="of its vectors")

    # who writes the answer
    generator: Literal["extractive", "azure", "databricks", "openai"] = "extractive"
    model: str | None = Field(None, min_length=1, description="its name; on Azure that of the deployment")
    model_endpoint: str | None = Field(
        None, min_length=1, description="default: AZURE_OPENAI_ENDPOINT, DATABRICKS_HOST or OPENAI_BASE_URL"
    )
    prompt: Versioned = Field(Path("prompts/answer.md"), description="what a language model is told")
    price_in: float = Field(0, ge=0, description="of a million tokens read")
    price_out: float = Field(0, ge=0, description="of a million tokens written")

    # what is let through
    grounded_at_least: float = Field(0.6, ge=0, le=1, description="share of an answer's words that its passages hold")
    content_safety: bool = Field(False, description="whether Azure AI Content Safety is asked, too")
    safety_endpoint: str | None = Field(None, min_length=1, description="default: AZURE_CONTENT_SAFETY_ENDPOINT")

    # who judges answers in an evaluation, beside what is measured
    judge: str | None = Field(None, min_length=1, description="a language model as MLflow names it; costs money")
