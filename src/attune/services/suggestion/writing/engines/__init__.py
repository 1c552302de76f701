"""What a language model runs in: a server that speaks OpenAI's protocol, or this process."""
