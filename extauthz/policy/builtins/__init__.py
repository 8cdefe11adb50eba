"""Rego's builtin functions: one file a family, one table of all (`table.py`).

Each does what OPA v1.22 does (v1/topdown), to the text of its errors. One that cannot be exact is
left out, and a policy that calls it is refused when it is loaded.
"""
