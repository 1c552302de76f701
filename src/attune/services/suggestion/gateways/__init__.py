"""The services that suggestions are made with, each behind a small face. They are asked for the current call."""
