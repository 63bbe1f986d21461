"""Answers for people: plain data in, text out. Nothing here knows HTTP, a store or a remote system.

run_view.py, explanation_view.py, setup_view.py, start_view.py   plain data, the same for JSON and for pages
journal_table.py                                  the rows of a journal: filtered, sorted, added up for charts
phone_text.py                                     phones as people read them
csv_export.py                                     a journal as CSV
html.py                                           pages from `templates/` and `static/`
"""
