"""Status board and board runner's desk in one page."""
