"""The model of words learns, and is the same for the same rows."""

from __future__ import annotations

import pytest

from ticket_router import flavor, metrics, model, sample, schema, tokens
from ticket_router.classifier import Classifier, Tfidf
from ticket_router.parameters import Train


def fitted(settings: Train) -> tuple[Classifier, float]:
    """A classifier that learnt from three of four rows, and its mean loss on the fourth."""
    frame = sample.rows().head(800)
    rest = frame.iloc[::4]
    fitting = frame.drop(index=rest.index)
    pipeline = model.tfidf(settings).fit(tokens.texts(schema.inputs(fitting)), fitting[schema.TARGET])
    classifier = Classifier(Tfidf(pipeline))
    losses = metrics.row_losses(rest[schema.TARGET], flavor.predict(classifier, schema.inputs(rest)))
    return classifier, float(losses.mean())


def test_it_learns() -> None:
    """It errs far less often than by always naming the most common class."""
    _, loss = fitted(Train())
    most_common = sample.rows()[schema.TARGET].value_counts(normalize=True).max()
    assert loss < 0.6 * (1 - most_common)


def test_the_same_rows_give_the_same_model() -> None:
    """Two trainings predict the same."""
    inputs = schema.inputs(sample.rows().tail(50))
    first, second = (flavor.predict(fitted(Train(features=1000))[0], inputs) for _ in range(2))
    assert first.equals(second)


def test_settings_bound_the_model() -> None:
    """A stronger penalty makes it less sure, and the number of features is kept."""
    inputs = schema.inputs(sample.rows().tail(50))
    sure, unsure = (
        fitted(Train(regularization=penalty, features=500))[0].probabilities(tokens.texts(inputs)).max(axis=1).mean()
        for penalty in (0.1, 100)
    )
    assert unsure < sure
    pipeline = model.tfidf(Train(features=10)).fit(["parcel", "refund"] * 5, ["parcel_missing", "refund"] * 5)
    assert pipeline["features"].get_feature_names_out().shape == (2 + 10,)


@pytest.mark.parametrize("max_tokens", [16, 512])
def test_the_tiny_network_fits_its_texts(max_tokens: int) -> None:
    """It has a position for each token."""
    assert model.tiny(100, max_tokens).max_position_embeddings == max_tokens
