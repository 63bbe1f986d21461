"""The databases. What is stored, and how, is told once; SQLite and Firestore only move documents.

documents.py            dataclass <-> document, ids, limits, packing into commits
journals.py             a run's journal, compressed and in parts
sales.py                the port SalesStore in terms of a few primitives
sqlite.py, firestore.py           the primitives
sqlite_cards.py, firestore_cards.py, waiting.py   the port CardStore
sqlite_file.py          a file that several processes use at once
"""
