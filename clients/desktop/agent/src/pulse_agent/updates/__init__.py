"""Newer releases of this program: finding, believing, telling, and downloading one. Nothing is ever installed from here."""
