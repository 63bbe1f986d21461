"""Answers for people: pages and spreadsheets. Plain data goes in, text comes out; nothing here asks anybody.

explanation_view.py   runs, explanations and checks as plain data, the same for JSON and for pages
journal_table.py      the rows of a journal: filtered, sorted, and drawn as a chart
csv_export.py         a journal as CSV
html.py               the templates beside it, with static/style.css and static/script.js put into each page
"""
