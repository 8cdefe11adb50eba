"""Why a request was decided as it was: for people, never on the way of a request."""
