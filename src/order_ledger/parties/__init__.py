"""Organisations and persons, one stream each: who is who, who may do what, and who was forgotten."""
