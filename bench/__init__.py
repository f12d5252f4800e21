"""Measurements that anyone can repeat; figures in the documents come from here."""
