"""The steps of the pipeline: folders in, folders out. No step knows the platform that it runs on.

What they ask of your modules, and what stays the same within a major version of the template:

- schema: `ROWS` and `INPUTS` (pandera), `ID`, `GROUP`, `TIME`, `TARGET`, `inputs(rows)`, `slices(rows)`; `Document`,
  `Section`, `Chunk`
- chunks: `cut(document, words, overlap)`, the passages of a document, and `sentences(text)`
- chain: `Chain` with `ask`, `answer` and `stream`
- metrics: `evaluate(actual, predicted)`, `row_losses(actual, predicted)`
- plots: `figures(model, inputs, actual, predicted)`
- diagnostics: `diagnose(model, rows, predicted)`
- descriptors: `columns(rows)` and `vectors(rows)`
- sample: `documents()` and `asked()`
- parameters: `Prepare` and `Train`
"""

# Before all others: skops looks for each of SciPy's functions in all modules, in the order of their import, and MLflow
# brings some thousand of them. Behind these the search takes two seconds.
import scipy.special  # noqa: F401
