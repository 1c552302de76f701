"""Which of two rankings is better: by one list that both fill, or by users who get one of them each."""
