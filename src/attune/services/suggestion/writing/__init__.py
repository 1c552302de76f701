"""Suggestions that a language model writes: prompt, engines, structured answers, and checks of what was written."""
