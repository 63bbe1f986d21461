"""Answers for people: pages and spreadsheets. Plain data goes in, text comes out; nothing here asks anybody.

view.py      runs, stories and checks as plain data, the same for JSON and for pages
rows.py      the rows of a journal: filtered, sorted, and drawn as a chart
sheet.py     a journal as CSV
render.py    the templates beside it, with style.css and script.js put into each page
"""
