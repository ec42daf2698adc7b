"""What is declared, and what follows from it: targets, keys, plans. Nothing outside is asked."""
