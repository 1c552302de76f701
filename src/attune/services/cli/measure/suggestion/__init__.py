"""`attune eval suggestion`: is the next query foreseen, and by what?"""
