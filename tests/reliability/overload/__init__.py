"""More is asked than the process can answer: what the answered and the refused get."""
