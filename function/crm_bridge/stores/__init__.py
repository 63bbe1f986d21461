"""The databases. What is stored, and how, is told once; SQLite and Firestore only move documents.

documents.py            value <-> document, ids, limits, packing into commits
journals.py             a run's journal, compressed and in parts
sales.py                the port SalesStore in terms of a few primitives
sqlite.py, firestore.py           the primitives
firestore_messages.py   document <-> message of Firestore's protocol
firestore_calls.py      what both stores on Firestore call
sqlite_cards.py, firestore_cards.py, waiting.py   the port CardStore
sqlite_file.py          a file that several processes use at once
"""
