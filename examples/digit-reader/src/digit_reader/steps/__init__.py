"""The steps of the pipeline: folders in, folders out. No step knows the platform that it runs on.

What they ask of your modules, and what stays the same within a major version of the template:

- schema: `ROWS` and `INPUTS` (pandera), `ID`, `GROUP`, `TIME`, `TARGET`, `CLASSES`, `FILES`, `CONTENT`, `inputs(rows)`,
  `slices(rows)`
- transforms: `CHANNELS`, `SIZE`, `decode(content)`, `scaled(pictures)`, `batch(contents)`,
  `augment(pictures, generator)`
- network: `build(settings, classes)`, an untrained PyTorch module, and `cost(name)`
- metrics: `evaluate(actual, predicted)`, `row_losses(actual, predicted)`
- plots: `figures(model, inputs, actual, predicted)`
- diagnostics: `diagnose(model, rows, predicted)`
- descriptors: `columns(rows)`, `vectors(rows)`
- sample: `rows()`
- parameters: `Prepare` and `Train`
"""
