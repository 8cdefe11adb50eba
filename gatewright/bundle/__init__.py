"""From a directory of files to a snapshot: which services take part, and what is compiled first."""
