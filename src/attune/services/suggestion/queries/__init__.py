"""Aggregated queries of many users: what others asked, once enough of them did."""
