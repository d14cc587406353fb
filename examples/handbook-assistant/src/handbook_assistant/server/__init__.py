"""The chat server: questions by HTTP, answers whole or as they are written, what people think of them, and a page.

`app.create` makes it from a chain; `python -m PACKAGE.server` starts it.
"""
