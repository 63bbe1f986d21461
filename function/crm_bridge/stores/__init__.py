"""The databases. One module decides what is stored; SQLite and Firestore only read and write documents.

documents.py            value <-> document, ids, limits, batches of one commit
journal_parts.py        a run's journal, compressed and in parts
base.py                 the port SalesStore in terms of a few primitives
causes.py               why a database cannot be used, in the words of both
polling.py              waiting for a card on a database that does not call back
sqlite/                 connection.py: a file that several processes use at once; failures.py; sales.py, cards.py
firestore/              connection.py: the calls; queries.py, encoding.py: messages of the protocol; failures.py;
                        sales.py, cards.py
"""
