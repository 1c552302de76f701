"""Catalogs from what others have: each importer yields entities, writing.py makes a file of them."""
