"""What a text that somebody is typing may become."""
