"""Sphinx's settings for the documentation: `sphinx-build -W -b html docs build/docs`.

Sphinx with MyST reads the Markdown pages as they are and the API from docstrings, searches without a server, and turns
every warning (a broken link, a name that no longer exists) into an error with -W.
"""

import ser_tl

project = "ser_tl"
author = "The ser_tl developers"
version = release = ser_tl.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["clients", "examples"]
html_theme = "furo"
html_title = "ser_tl"
html_show_sourcelink = False

myst_heading_anchors = 4  # links to headings, as on GitHub
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.xref_missing"]  # links to files beside docs/; tests/test_docs.py checks that each exists

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_attr_annotations = True
napoleon_custom_sections = [("Shape", "notes_style")]
copybutton_prompt_text = "$ "
